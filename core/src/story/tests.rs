use serde_json::json;

use super::*;
use crate::digest::Digest;

const ID: &str = "0d6f5e3c-0000-4000-8000-000000000001";
const JOB: &str = "0d6f5e3c-0000-4000-8000-000000000002";

fn moment(sequence: u64, event_type: &str, data: impl Into<serde_json::Value>) -> Moment {
    let data = data.into();
    let kind = event_type.split('.').nth(1).unwrap();
    let document = json!({
        "specversion": "1.0", "id": ID, "source": "urn:eai:platform:x", "type": event_type,
        "subject": format!("{kind}/{ID}"), "time": "2026-01-02T03:04:05.006Z",
        "datacontenttype": "application/json", "dataschema": "urn:eai:schema:x",
        "account": "snow.testacc", "actor": "platform", "commandid": ID, "correlationid": ID,
        "prevhash": Digest::ZERO.to_string(), "data": data,
    })
    .to_string();
    Moment::read(sequence, &Envelope::parse(document.as_bytes()).unwrap()).unwrap()
}

fn sequences(moments: &[Moment]) -> Vec<u64> {
    standing(moments)
        .iter()
        .map(|moment| moment.sequence)
        .collect()
}

#[test]
fn the_newest_of_each_facet_stands() {
    let moments = [
        moment(1, "eai.service.started.v1", json!({})),
        moment(2, "eai.service.busy.v1", json!({})),
        moment(3, "eai.service.scaled.v1", json!({"workers": 2})),
        moment(4, "eai.service.scaled.v1", json!({"workers": 1})),
    ];
    assert_eq!(sequences(&moments), [1, 2, 4]);
    assert_eq!(moments[3].text, "is to have 1 worker");
}

#[test]
fn what_was_given_up_is_told_until_it_is_started_again() {
    let gave_up = json!({"failures": 10, "reason": "exit", "message": "it exited with 3"});
    let mut moments = vec![
        moment(1, "eai.service.started.v1", json!({})),
        moment(2, "eai.service.gave_up.v1", gave_up),
    ];
    assert_eq!(sequences(&moments), [1, 2]);
    let text = "is not tried again after 10 failures in a row: it exited with 3";
    assert_eq!(moments[1].text, text);
    moments.push(moment(3, "eai.service.started.v1", json!({})));
    assert_eq!(sequences(&moments), [3]);
}

#[test]
fn a_job_that_ended_neither_answers_nor_is_held() {
    let run = json!({"run": 0, "claim": 1, "reason": "idle"});
    let ended = json!({"run": 0, "claim": 1, "state": "FAILED", "reason": "exit", "exitCode": 3});
    let moments = [
        moment(1, "eai.job.unready.v1", run.clone()),
        moment(2, "eai.job.frozen.v1", run),
        moment(3, "eai.job.ended.v1", ended),
    ];
    assert_eq!(sequences(&moments[..2]), [1, 2]);
    assert_eq!(sequences(&moments), [3]);
    assert_eq!(moments[2].text, "ended as FAILED: exit, exit code 3");
}

#[test]
fn a_job_that_was_to_end_ended_for_that() {
    let to_end = json!({"run": 0, "reason": "killed"});
    let ended = json!({"run": 0, "state": "CANCELLED", "reason": "killed"});
    let moments = [
        moment(1, "eai.job.cancelling.v1", to_end),
        moment(2, "eai.job.ended.v1", ended.clone()),
        moment(3, "eai.job.retried.v1", json!({"run": 1})),
        moment(4, "eai.job.ended.v1", ended),
    ];
    let led = |at: usize| led_to(&moments, &moments[at]).map(|led| led.sequence);
    assert_eq!((led(1), led(2), led(3)), (Some(1), None, None));
}

#[test]
fn what_cannot_be_read_is_told_as_such() {
    let moments = [
        moment(1, "eai.service.started.v1", json!({})),
        moment(2, "eai.service.sang.v7", json!({"song": "la"})),
        moment(3, "eai.planet.made.v1", json!({})),
    ];
    assert_eq!(sequences(&moments), [1, 3]);
    for event_type in ["eai.service.sang.v7", "eai.planet.made.v1"] {
        let text = format!("saw `{event_type}`, which this version cannot read");
        assert!(moments.iter().any(|moment| moment.text == text), "{text}");
    }
}

#[test]
fn the_job_of_a_service_is_named() {
    let run = json!({"job": JOB, "run": 2});
    let switched = moment(1, "eai.service.switched.v1", run);
    assert_eq!(switched.job.as_deref(), Some(JOB));
    assert_eq!(
        switched.text,
        format!("sends its requests to run 2 of job {JOB}")
    );
}

/// Each line of a story stays one, whatever a program wrote before it ended.
#[test]
fn texts_of_others_are_bounded() {
    let message = "line\n".repeat(1000);
    let ended = json!({"run": 0, "state": "FAILED", "reason": "exit", "message": message});
    let text = moment(1, "eai.job.ended.v1", ended).text;
    assert!(!text.contains('\n') && text.chars().count() < 400, "{text}");
}
