//! Whether each answer is explained by what was done at the time.

use std::time::{Duration, Instant};

use super::asks::{Asked, Got};
use super::drive::Span;
use super::schedule::Kind;

/// How long after it was back what was killed may still be felt: clients wait for a broken connection to come back.
const AFTER: Duration = Duration::from_secs(5);

/// What is wrong with the answers.
pub(super) fn judge(asked: &[Asked], spans: &[Span]) -> Vec<String> {
    let start = asked.iter().map(|asked| asked.from).min();
    let wrong = asked.iter().filter_map(|asked| {
        let why = wrong_with(asked, spans)?;
        let at = start.map(|start| asked.from - start).unwrap_or_default();
        let took = asked.to - asked.from;
        let near = near(asked, spans);
        Some(format!(
            "service {} at {at:?}, request {} of {took:?} ({near}): {why}",
            asked.service, asked.name
        ))
    });
    wrong.collect()
}

fn wrong_with(asked: &Asked, spans: &[Span]) -> Option<String> {
    let during = |kinds: &[Kind]| {
        let concerned = spans.iter().filter(|span| {
            let is_its = span.service.is_none_or(|service| service == asked.service);
            is_its && kinds.contains(&span.kind)
        });
        let mut times = concerned.map(|span| (span.from, end(span)));
        times.any(|(from, to)| asked.from <= to && from <= asked.to)
    };
    match &asked.answer {
        Got::Answer(said) if said.ends_with(&format!(" {}", asked.name)) => None,
        Got::Answer(said) => Some(format!("somebody else's answer: {said}")),
        Got::Refusal(503, ..)
            if during(&[Kind::Stop, Kind::Die, Kind::KillPlatform, Kind::KillNats]) =>
        {
            None
        }
        Got::Refusal(502, Some(_), _) if during(&[Kind::Stop, Kind::Die]) => None,
        Got::Refusal(status, error, text) => Some(format!("{status} {error:?} {text}")),
        // Whose job ends within its answer has the rest of it from nobody.
        Got::Half(_) if during(&[Kind::Stop, Kind::Die, Kind::KillPlatform]) => None,
        Got::Half(error) => Some(format!("half an answer: {error}")),
        Got::Broken(_) if during(&[Kind::KillPlatform]) => None,
        Got::Broken(error) => Some(format!("no answer: {error}")),
        Got::Nothing => Some("no answer at all".to_owned()),
    }
}

/// What was done around the time of a request, each with how long before its end it began and ended.
fn near(asked: &Asked, spans: &[Span]) -> String {
    let its = |span: &&Span| span.service.is_none_or(|service| service == asked.service);
    let near = spans.iter().filter(its);
    let near = near.filter(|span| span.from <= asked.to && asked.from <= span.to + 2 * AFTER);
    let told = near.map(|span| {
        let [from, to] = [span.from, span.to].map(|at| asked.to.saturating_duration_since(at));
        format!("{:?} {from:?} to {to:?} before", span.kind)
    });
    told.collect::<Vec<_>>().join(", ")
}

fn end(span: &Span) -> Instant {
    match span.kind {
        Kind::KillPlatform | Kind::KillNats => span.to + AFTER,
        _ => span.to,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_nothing_explains_is_wrong() {
        let zero = Instant::now();
        let at = |seconds| zero + Duration::from_secs(seconds);
        let stop = Span {
            kind: Kind::Stop,
            service: Some(1),
            from: at(10),
            to: at(12),
        };
        let judged = |service, from, to, answer| {
            let asked = Asked {
                service,
                name: "n".to_owned(),
                from: at(from),
                to: at(to),
                answer,
            };
            judge(&[asked], &[stop]).is_empty()
        };
        let refused = || Got::Refusal(503, None, String::new());
        assert!(judged(1, 9, 10, refused()) && judged(1, 12, 13, refused()));
        assert!(!judged(0, 9, 10, refused()) && !judged(1, 13, 14, refused()));
        assert!(!judged(1, 9, 13, Got::Broken(String::new())));
        assert!(!judged(1, 9, 13, Got::Nothing));
        let half = || Got::Half(String::new());
        assert!(judged(1, 9, 13, half()) && !judged(1, 1, 2, half()));
        assert!(judged(1, 1, 2, Got::Answer("3 job 0 n".to_owned())));
        assert!(!judged(1, 1, 2, Got::Answer("3 job 0 m".to_owned())));
        let reset = Got::Refusal(502, Some("reset".to_owned()), String::new());
        assert!(judged(1, 9, 10, reset.clone()) && !judged(1, 1, 2, reset));
        assert!(!judged(1, 9, 10, Got::Refusal(502, None, String::new())));
    }
}
