//! Reading runs of events: across batches, from a moment on, and by filter.

use eai_core::log::{Log, Position, Recorded};
use eai_core::service::{Command, ServiceAggregate};
use eai_core::subject::{ALL_EVENTS, Address, account_filter};
use time::{Duration, OffsetDateTime};

use super::server::Server;
use super::support::{CREATED, account, context, created, execute, on, role_of, service_of, stir};

const MEMBERS: u64 = 600;

/// A log of one service and 600 changes of its role: more than two batches of reads.
async fn filled(server: &Server) -> (Log, eai_core::ids::CommandId) {
    let log = server.log().await;
    let id = created(&log, "web").await;
    for member in 0..MEMBERS {
        execute(&log, &stir(role_of(id), member.into()))
            .await
            .unwrap();
    }
    (log, id)
}

fn sequences(events: &[Recorded]) -> Vec<u64> {
    events.iter().map(|event| event.sequence).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_of_events_are_read() {
    let server = Server::start();
    let (log, id) = filled(&server).await;
    let all = CREATED as u64 + MEMBERS;
    for (from, limit, more) in [
        (1, 10_000, false),
        (1, 606, false),
        (1, 605, true),
        (1, 257, true),
        (1, 256, true),
        (1, 1, true),
        (all, 1, false),
        (all + 1, 10, false),
        (all + 1000, 10, false),
    ] {
        let page = log.page(ALL_EVENTS, Position::Sequence(from), limit).await;
        let (events, found_more) = page.unwrap();
        let wanted: Vec<_> = (from..=all).take(limit).collect();
        assert_eq!(sequences(&events), wanted, "{limit} from {from}");
        assert_eq!(found_more, more, "{limit} from {from}");
    }
    // Page by page, as the API does.
    let (mut from, mut read) = (1, Vec::new());
    loop {
        let page = log.page(ALL_EVENTS, Position::Sequence(from), 100).await;
        let (events, more) = page.unwrap();
        read.extend(sequences(&events));
        from = read.last().unwrap() + 1;
        if !more {
            break;
        }
    }
    assert_eq!(read, (1..=all).collect::<Vec<_>>());

    let filter = account_filter(&account(), Some("service"), None, None);
    let (events, more) = log.page(&filter, Position::START, 10).await.unwrap();
    assert_eq!((sequences(&events), more), (vec![CREATED as u64], false));
    let nobody = account_filter(&account(), Some("job"), None, None);
    let (events, more) = log.page(&nobody, Position::START, 10).await.unwrap();
    assert_eq!((sequences(&events), more), (vec![], false));

    // From a moment on.
    let before = OffsetDateTime::now_utc();
    let stop = context();
    let parts = on(service_of(id), Command::Stop);
    log.execute(&stop, &parts).await.unwrap();
    let page = log.page(ALL_EVENTS, Position::Time(before), 10).await;
    assert_eq!(sequences(&page.unwrap().0), [all + 1]);
    let tomorrow = before + Duration::days(1);
    let page = log.page(ALL_EVENTS, Position::Time(tomorrow), 10).await;
    let (events, more) = page.unwrap();
    assert_eq!((sequences(&events), more), (vec![], false));
    let yesterday = before - Duration::days(1);
    let page = log.page(ALL_EVENTS, Position::Time(yesterday), 300).await;
    let (events, more) = page.unwrap();
    assert_eq!(sequences(&events), (1..=300).collect::<Vec<_>>());
    assert!(more);

    // Time travel of a single thing reads the same way.
    let address = Address::new(account(), "service", service_of(id));
    for (at, status) in [(CREATED as u64, "on"), (all, "on"), (all + 1, "off")] {
        let (state, _) = log.fold::<ServiceAggregate>(&address, at).await.unwrap();
        assert_eq!(state.unwrap().status.to_string(), status, "at {at}");
    }
    let (state, changed) = log.fold::<ServiceAggregate>(&address, 1).await.unwrap();
    assert_eq!((state, changed), (None, None));

    let event = log.get(all + 1).await.unwrap().unwrap();
    assert_eq!(event.envelope().unwrap().commandid, stop.id);
    assert!(log.get(all + 2).await.unwrap().is_none());
}
