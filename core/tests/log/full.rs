//! A log that fills up: first the reserve is kept, then nothing more is taken, and room makes it work again.

use eai_core::command::{Context, Urgency};
use eai_core::log::{Error, Log, set_up};

use super::server::{LONG, Server, open};
use super::support::{
    add_member, context, created, events_of, new_service, role_of, stir, verified,
};

/// Small enough to fill with some hundred events.
const SMALL: u64 = 400 << 10;

fn essential() -> Context {
    Context {
        urgency: Urgency::Essential,
        ..context()
    }
}

/// Appends until that is refused; how many went in, and how it was refused.
async fn fill(
    log: &Log,
    role: eai_core::ids::RoleId,
    from: u128,
    context: fn() -> Context,
) -> (u128, Error) {
    for member in from.. {
        if let Err(error) = log.execute(&context(), &stir(role, member)).await {
            return (member - from, error);
        }
    }
    unreachable!("the log is bounded")
}

#[tokio::test]
async fn the_last_tenth_is_for_winding_down() {
    let server = Server::start();
    let log = server.log_of(SMALL).await;
    let role = role_of(created(&log, "web").await);
    let (normal, error) = fill(&log, role, 0, context).await;
    let Error::Reserved { used, most, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(most, SMALL);
    assert!((SMALL / 10 * 9..SMALL / 100 * 95).contains(&used), "{used}");
    assert!(normal > 100, "{normal}");
    let refused = context();
    let result = log.execute(&refused, &new_service(refused.id, "api")).await;
    assert!(matches!(result, Err(Error::Reserved { .. })), "{result:?}");

    // Also through a log that was opened just now, and one whose estimate is older.
    let other = open(server.connect().await, LONG).await;
    let result = other.execute(&context(), &add_member(role, 9999)).await;
    assert!(matches!(result, Err(Error::Reserved { .. })), "{result:?}");

    let (extra, error) = fill(&log, role, normal, essential).await;
    assert!(matches!(error, Error::Full(_)), "{error}");
    assert!(extra > normal / 20, "{extra} after {normal}");
    // A batch, too, and it leaves nothing behind.
    let batch = essential();
    let parts = new_service(batch.id, "api");
    let result = log.execute(&batch, &parts).await;
    assert!(matches!(result, Err(Error::Full(_))), "{result:?}");
    let events = verified(&log).await;
    assert_eq!(events_of(&events, batch.id), 0);

    // With more room the same commands go through, once.
    set_up(&server.connect().await, 2 * SMALL).await.unwrap();
    let (retried, made) = (context(), log.execute(&batch, &parts).await.unwrap());
    assert!(!made.repeated);
    log.execute(&retried, &add_member(role, 9999))
        .await
        .unwrap();
    assert_eq!(log.usage().1, 2 * SMALL);
    let events = verified(&log).await;
    assert_eq!(events_of(&events, batch.id), made.events);
    assert_eq!(events_of(&events, retried.id), 1);
}
