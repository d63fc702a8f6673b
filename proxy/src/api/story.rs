//! Why something is as it is, and how it came to be: the log, told in plain words.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use axum::Json;
use axum::extract::State;
use eai_core::access::Thing;
use eai_core::envelope::Actor;
use eai_core::ids::{EventId, JobId, ServiceId};
use eai_core::log::chain::look;
use eai_core::log::{Position, Recorded};
use eai_core::names::{AccountName, Reference};
use eai_core::story::{Facet, Moment, led_to, standing};
use eai_core::subject::Parts;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::event::newest;
use super::event_filter::{EventFilter, position, sees};
use super::extract::{Params, Ref};
use super::list::{List, limit};
use super::things::IsThing as _;
use super::{ApiError, Shared};
use crate::auth::Caller;

/// How many of the newest events of a thing are looked at.
const MOST: u32 = 1000;
/// How many of the newest jobs of a service are told of with it.
const MOST_JOBS: usize = 50;
/// How many causes are followed back from one event.
const MOST_CAUSES: usize = 16;
/// What may be asked for by name, in this order.
const KINDS: [&str; 4] = ["service", "job", "data", "role"];

/// Something with a history.
#[derive(Debug)]
struct Subject {
    account: AccountName,
    kind: String,
    id: String,
}

/// An event as a line, with the names of what it is about.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Line {
    #[serde(flatten)]
    moment: Moment,
    /// The name of what it happened to, where it has one.
    name: Option<String>,
    /// The name of who asked.
    who: String,
}

/// Something that holds, and what led to it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Reason {
    #[serde(flatten)]
    line: Line,
    /// Its cause, the cause of that, and so on.
    because: Vec<Line>,
}

/// Why something is as it is.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Explanation {
    id: String,
    kind: String,
    name: Option<String>,
    /// How it is: `on`, `FAILED`.
    state: String,
    /// What else is known of that.
    reason: Option<String>,
    reasons: Vec<Reason>,
}

/// What a timeline may be asked.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TimelineQuery {
    /// A sequence or a time to begin at.
    since: Option<String>,
    /// A sequence or a time to end at, included.
    until: Option<String>,
    /// Only the last so many.
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<u32>,
}

/// Names that were looked up for one answer.
struct Names<'a> {
    state: &'a Shared,
    caller: &'a Caller,
    services: HashMap<String, Option<String>>,
    actors: HashMap<String, String>,
}

pub(crate) async fn explain(
    State(state): State<Shared>,
    caller: Caller,
    Ref(reference): Ref,
) -> Result<Json<Explanation>, ApiError> {
    let subject = find(&state, &caller, &reference).await?;
    let own = history(&state, &caller, &subject, None).await?;
    let mut told = holding(&own);
    // How a service does is how its newest run does.
    let newest_job = own.iter().rev().find_map(|moment| moment.job.clone());
    if let Some(id) = newest_job.filter(|_| subject.kind == "service") {
        let account = subject.account.clone();
        let job = Subject {
            account,
            kind: "job".into(),
            id,
        };
        let of_job = history(&state, &caller, &job, None).await?;
        told.extend(holding(&of_job));
        told.sort_by_key(|(moment, _)| moment.sequence);
    }
    let mut names = Names::new(&state, &caller);
    let mut reasons = Vec::new();
    for (moment, led) in told {
        let because = causes(&state, &caller, &moment, led, &mut names).await?;
        reasons.push(Reason {
            line: names.line(moment).await?,
            because,
        });
    }
    let (status, reason) = status(&state, &caller, &subject, &own).await?;
    Ok(Json(Explanation {
        name: names.of(&subject.kind, &subject.id).await?,
        id: subject.id,
        kind: subject.kind,
        state: status,
        reason,
        reasons,
    }))
}

pub(crate) async fn timeline(
    State(state): State<Shared>,
    caller: Caller,
    Ref(reference): Ref,
    Params(query): Params<TimelineQuery>,
) -> Result<Json<List<Line>>, ApiError> {
    let most = limit("limit", query.limit, MOST)? as usize;
    let read = |name, text: &Option<String>| {
        let text = text.as_deref();
        text.map(|text| position(name, text)).transpose()
    };
    let (since, until) = (read("since", &query.since)?, read("until", &query.until)?);
    let subject = find(&state, &caller, &reference).await?;
    let own = history(&state, &caller, &subject, until).await?;
    let mut jobs = BTreeSet::new();
    if subject.kind == "service" {
        let named = own.iter().rev().filter_map(|moment| moment.job.clone());
        for job in named {
            if jobs.len() < MOST_JOBS {
                jobs.insert(job);
            }
        }
    }
    let mut moments: BTreeMap<u64, Moment> = BTreeMap::new();
    let mut keep = |some: Vec<Moment>| {
        moments.extend(some.into_iter().map(|moment| (moment.sequence, moment)));
    };
    keep(own);
    for id in jobs {
        let job = Subject {
            account: subject.account.clone(),
            kind: "job".into(),
            id,
        };
        keep(history(&state, &caller, &job, until).await?);
    }
    let is_in = |moment: &Moment| match since {
        None => true,
        Some(Position::Sequence(first)) => moment.sequence >= first,
        Some(Position::Time(first)) => moment.time >= first,
    };
    let mut moments: Vec<Moment> = moments.into_values().filter(is_in).collect();
    moments.drain(..moments.len().saturating_sub(most));
    let mut names = Names::new(&state, &caller);
    let mut items = Vec::new();
    for moment in moments {
        items.push(names.line(moment).await?);
    }
    Ok(Json(List { items, next: None }))
}

/// What a reference means. What was deleted still has its history, by its id.
async fn find(state: &Shared, caller: &Caller, reference: &str) -> Result<Subject, ApiError> {
    let missing = || {
        let reference: String = reference.chars().take(80).collect();
        ApiError::not_found(format!(
            "nothing is known of `{reference}`: name a service, or give the id of anything that events are about"
        ))
    };
    // Who may not see what happened to a thing is not told either that there is one.
    let theirs = |subject: Subject| {
        let id = subject.id.parse().ok();
        let thing = Thing {
            id,
            ..Thing::account(&subject.account)
        };
        let sees = caller.sees(&thing);
        sees.then_some(subject).ok_or_else(missing)
    };
    let name = match reference.parse::<Reference>()? {
        Reference::Id(id) => {
            let (account, id) = (caller.account.clone(), id.to_string());
            let filter = EventFilter::of(&account, None, &id);
            let (first, _) = state.log.page(&filter.subject, filter.from, 1).await?;
            let parts = first.first().and_then(|event| Parts::read(&event.subject));
            let kind = parts.ok_or_else(missing)?.kind.to_owned();
            return theirs(Subject { account, kind, id });
        }
        Reference::Full(full_name) => full_name,
        Reference::Plain(name) => caller.account.join(name),
    };
    caller.may_use(&name.account)?;
    for kind in KINDS {
        if let Some(id) = state.views.holder(kind, &name).await? {
            return theirs(Subject {
                account: name.account,
                kind: kind.to_owned(),
                id: id.to_string(),
            });
        }
    }
    Err(missing())
}

/// The newest events of a thing, oldest first.
async fn history(
    state: &Shared,
    caller: &Caller,
    subject: &Subject,
    until: Option<Position>,
) -> Result<Vec<Moment>, ApiError> {
    let account = &subject.account;
    let filter = EventFilter::of(account, Some(&subject.kind), &subject.id)
        .until(until)
        .seen_by(caller, account);
    let events = newest(&state.log, &filter, MOST as usize).await?;
    let known = events
        .iter()
        .filter(|event| look(event).is_ok_and(|found| found.is_ok()));
    known.map(moment).collect()
}

/// What holds of a thing, each with what led to it in the thing's own history.
fn holding(history: &[Moment]) -> Vec<(Moment, Option<Moment>)> {
    let standing = standing(history).into_iter();
    standing
        .map(|moment| (moment.clone(), led_to(history, moment).cloned()))
        .collect()
}

fn moment(event: &Recorded) -> Result<Moment, ApiError> {
    let damaged = |_| {
        let what = format!("event {} is not a CloudEvents document", event.sequence);
        ApiError::from(eai_core::log::Error::Damaged(what))
    };
    let envelope = event.envelope().map_err(damaged)?;
    Moment::read(event.sequence, &envelope).map_err(damaged)
}

/// What led to an event, the nearest cause first.
async fn causes(
    state: &Shared,
    caller: &Caller,
    of: &Moment,
    led: Option<Moment>,
    names: &mut Names<'_>,
) -> Result<Vec<Line>, ApiError> {
    let mut causes = Vec::new();
    let mut next = of.cause;
    if let Some(led) = led {
        next = led.cause;
        causes.push(names.line(led).await?);
    }
    while let Some(id) = next.filter(|_| causes.len() < MOST_CAUSES) {
        let Some(cause) = event(state, caller, id).await? else {
            break;
        };
        next = cause.cause;
        causes.push(names.line(cause).await?);
    }
    Ok(causes)
}

/// An event that the caller may see.
async fn event(state: &Shared, caller: &Caller, id: EventId) -> Result<Option<Moment>, ApiError> {
    let Some(sequence) = state.views.event_sequence(id).await? else {
        return Ok(None);
    };
    let Some(event) = state.log.get(sequence).await? else {
        return Ok(None);
    };
    let is_seen = event
        .envelope()
        .is_ok_and(|envelope| sees(caller, &envelope));
    is_seen.then(|| moment(&event)).transpose()
}

/// How a thing is, and why as far as a view knows: views are asked for those who may look at them.
async fn status(
    state: &Shared,
    caller: &Caller,
    subject: &Subject,
    own: &[Moment],
) -> Result<(String, Option<String>), ApiError> {
    let id = subject.id.parse();
    match (subject.kind.as_str(), id) {
        ("service", Ok(id)) => match state.views.service(ServiceId(id)).await? {
            None => return Ok(("deleted".into(), None)),
            Some(row) if caller.allows("service", "get", &row.thing()) => {
                return Ok(super::service::shape(state, row).status());
            }
            Some(_) => {}
        },
        ("job", Ok(id)) => {
            let row = state.views.job(JobId(id)).await?;
            if let Some(row) = row.filter(|row| caller.allows("job", "get", &row.thing())) {
                let info = Some(row.state_info).filter(|info| !info.is_empty());
                let how = match (row.ready, row.frozen) {
                    (_, true) => " and held still",
                    (true, _) => " and ready",
                    _ => "",
                };
                return Ok((format!("{}{how}", row.state), info));
            }
        }
        _ => {}
    }
    // Of anything else its newest event says it.
    let last = standing(own);
    let last = last
        .iter()
        .rev()
        .find(|moment| moment.facet == Facet::Status);
    Ok(match last {
        Some(moment) => (moment.text.clone(), None),
        None => ("there".into(), None),
    })
}

impl<'a> Names<'a> {
    fn new(state: &'a Shared, caller: &'a Caller) -> Self {
        Self {
            state,
            caller,
            services: HashMap::new(),
            actors: HashMap::new(),
        }
    }

    /// The full name of a thing; only services are spoken of by theirs.
    async fn of(&mut self, kind: &str, id: &str) -> Result<Option<String>, ApiError> {
        if kind != "service" {
            return Ok(None);
        }
        if let Some(known) = self.services.get(id) {
            return Ok(known.clone());
        }
        let name = match id.parse() {
            Ok(uuid) => {
                let row = self.state.views.service(ServiceId(uuid)).await?;
                row.filter(|row| self.caller.allows("service", "get", &row.thing()))
                    .map(|row| row.account.join(row.name).to_string())
            }
            Err(_) => None,
        };
        self.services.insert(id.to_owned(), name.clone());
        Ok(name)
    }

    async fn line(&mut self, moment: Moment) -> Result<Line, ApiError> {
        let name = self.of(&moment.kind, &moment.of).await?;
        let who = self.actor(&moment.actor).await?;
        Ok(Line { moment, name, who })
    }

    /// The name of who asked, if the caller may know it.
    async fn actor(&mut self, actor: &str) -> Result<String, ApiError> {
        if let Some(known) = self.actors.get(actor) {
            return Ok(known.clone());
        }
        let user = match actor.parse() {
            Ok(Actor::User(id)) => self.state.views.user(id).await?,
            _ => None,
        };
        let known = user.filter(|user| self.caller.allows("user", "get", &user.thing()));
        let who = known.map_or_else(|| actor.to_owned(), |user| user.name.to_string());
        self.actors.insert(actor.to_owned(), who.clone());
        Ok(who)
    }
}
