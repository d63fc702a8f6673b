//! What the views show of each kind of command.

use std::time::Duration;

use eai_core::service::{Command, Status};
use eai_projections::{Page, Scope};
use time::OffsetDateTime;

use super::server::Server;
use super::support::{
    CREATED, PATIENCE, Running, account, add_member, add_user, ask, full_name, new_account,
    new_data, new_role, new_service,
};

const ALL: Page = Page {
    after: 0,
    limit: 1000,
};

#[tokio::test]
async fn accounts_users_and_roles() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let log = server.log().await;
    let (account_id, organization) = new_account(&log).await;
    let ann = add_user(&log, account_id, "ann").await;
    let bob = add_user(&log, account_id, "bob").await;
    let role = new_role(&log, "ops", &["service:*@snow.testacc.*", "*:*@snow.*"]).await;
    add_member(&log, role, bob).await;
    add_member(&log, role, ann).await;
    let running = Running::start(folder.path(), &log).await;
    running.caught_up(&log).await;
    let views = &running.views;

    let row = views.account(account_id).await.unwrap().unwrap();
    assert_eq!(
        (row.id, &row.full_name, row.organization_id),
        (account_id, &account(), organization)
    );
    assert!(OffsetDateTime::now_utc() - row.created_on < Duration::from_mins(10));
    let row = views.account_by_name(&account()).await.unwrap().unwrap();
    assert_eq!(row.id, account_id);
    let row = views.organization(organization).await.unwrap().unwrap();
    assert_eq!(row.name.as_str(), "snow");
    let row = views.organization_by_name(&row.name).await.unwrap();
    assert_eq!(row.unwrap().id, organization);
    let row = views.user(bob).await.unwrap().unwrap();
    assert_eq!((row.name.as_str(), row.account), ("bob", account()));

    let row = views.role(role).await.unwrap().unwrap();
    assert_eq!(
        (row.name.as_str(), &row.account),
        ("ops", &account()),
        "{row:?}"
    );
    assert_eq!(row.policies, ["service:*@snow.testacc.*", "*:*@snow.*"]);
    assert_eq!(row.members, [bob, ann], "in order of joining");
    let holder = views.holder("role", &full_name("ops")).await.unwrap();
    assert_eq!(holder, Some(role.0));
    running.stop().await;
}

#[tokio::test]
async fn services_and_data() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let log = server.log().await;
    let running = Running::start(folder.path(), &log).await;
    let views = &running.views;
    let files = new_data(&log, "files").await;
    let web = new_service(&log, "web").await;
    let api = new_service(&log, "api").await;
    running.caught_up(&log).await;

    let row = views.data(files).await.unwrap().unwrap();
    assert_eq!((row.name.as_str(), &row.account), ("files", &account()));
    assert!(row.created_by.starts_with("user:"), "{row:?}");

    let made = views.service(web).await.unwrap().unwrap();
    assert_eq!((made.name.as_str(), made.status), ("web", Status::On));
    assert_eq!(
        (made.runtime.as_str(), made.role.as_str()),
        ("snow.testacc.web_runtime", "snow.testacc.web_role")
    );
    let runtime = views.data(made.runtime_id).await.unwrap().unwrap();
    assert_eq!(runtime.name.as_str(), "web_runtime");
    let role = views.role(made.role_id).await.unwrap().unwrap();
    assert_eq!(role.policies, ["data:read@snow.testacc.web_runtime"]);
    for (command, status) in [
        (Command::Stop, Status::Off),
        (Command::Deactivate, Status::Deactivated),
        (Command::Reactivate, Status::Off),
        (Command::Start, Status::On),
    ] {
        assert_eq!(ask(&log, web, command).await, 1);
        running.caught_up(&log).await;
        let row = views.service(web).await.unwrap().unwrap();
        assert_eq!(row.status, status);
        assert!(row.updated_on >= made.updated_on);
        assert_eq!(row.created_on, made.created_on);
        assert_eq!(row.sequence, made.sequence, "its place in lists stays");
    }
    let other = views.service(api).await.unwrap().unwrap();
    assert_eq!(other.status, Status::On, "the other one is as it was");

    let mine = Scope::Account(account());
    let names = |page: Page| {
        let mine = mine.clone();
        async move {
            let rows = views.services(&mine, page).await.unwrap();
            let names: Vec<_> = rows.iter().map(|row| row.name.to_string()).collect();
            (names, rows.last().map(|row| row.sequence))
        }
    };
    assert_eq!(names(ALL).await.0, ["web", "api"], "oldest first");
    let (first, after) = names(Page { limit: 1, ..ALL }).await;
    assert_eq!(first, ["web"]);
    let page = Page {
        after: after.unwrap(),
        limit: 1,
    };
    assert_eq!(names(page).await.0, ["api"]);
    let nobody = Scope::Account("snow.other".parse().unwrap());
    assert!(views.services(&nobody, ALL).await.unwrap().is_empty());
    let both = Scope::Every(vec!["snow.other".parse().unwrap(), account()]);
    assert_eq!(views.datas(&both, ALL).await.unwrap().len(), 3);
    assert_eq!(views.roles(&both, ALL).await.unwrap().len(), 2);
    running.stop().await;
}

#[tokio::test]
async fn every_event_is_found_by_its_id() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let log = server.log().await;
    new_service(&log, "web").await;
    let running = Running::start(folder.path(), &log).await;
    running.views.until(CREATED, PATIENCE).await.unwrap();
    for sequence in 1..=CREATED {
        let event = log.get(sequence).await.unwrap().unwrap();
        let id = event.envelope().unwrap().id;
        let found = running.views.event_sequence(id).await.unwrap();
        assert_eq!(found, Some(sequence));
    }
    running.stop().await;
}
