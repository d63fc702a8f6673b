//! Who asks: the application learns it from us alone, and never sees what is ours.

use eai_proxy::ingress::Ours;

use super::support::{Application, Proxy};

#[tokio::test]
async fn the_application_learns_who_asks_and_not_how_it_was_shown() {
    let application = Application::fine().await;
    let proxy = Proxy::before(&application).await;
    let sent = [
        "authorization: Bearer secret",
        "cookie: eai=secret; own=1",
        "x-eai-user: forged",
        "X_EAI_Account: forged",
        "x-forwarded-for: 203.0.113.1",
    ];
    proxy.routes.identify("ann", "snow.testacc");
    proxy.routes.own(Ours {
        authorization: true,
        cookie: Some("eai"),
    });
    proxy.ask("GET /", &sent).await.answer().await;
    proxy.routes.own(Ours::default());
    proxy.ask("GET /", &sent).await.answer().await;
    let [first, second] = application.recorded().try_into().expect("two requests");
    for seen in [&first.head, &second.head] {
        assert_eq!(seen.one("x-eai-user"), Some("ann"));
        assert_eq!(seen.one("x-eai-account"), Some("snow.testacc"));
        assert_eq!(seen.one("x_eai_account"), None);
        assert_eq!(seen.one("x-forwarded-for"), Some("127.0.0.1"));
        assert_eq!(seen.one("x-forwarded-proto"), Some("http"));
        let forwarded = format!("for=127.0.0.1;host=\"{}\";proto=http", Proxy::host());
        assert_eq!(seen.one("forwarded"), Some(forwarded.as_str()));
    }
    assert!(!format!("{first:?}").contains("secret"), "{first:?}");
    assert_eq!(first.head.one("cookie"), Some("own=1"));
    assert_eq!(second.head.one("authorization"), Some("Bearer secret"));
    assert_eq!(second.head.one("cookie"), Some("eai=secret; own=1"));
}
