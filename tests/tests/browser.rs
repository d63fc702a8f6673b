//! The login in a real browser, with the pages of two services that are one site to it.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use eai_tests::{Backend, Browser, Platform, Service};

/// Whether a page can open a WebSocket there.
async fn opens_socket(browser: &mut Browser, url: &str) -> bool {
    let script = format!(
        "new Promise(done => {{ const socket = new WebSocket('{url}'); \
         socket.onopen = () => {{ socket.close(); done(true) }}; \
         socket.onerror = () => done(false) }})"
    );
    browser.value(&script).await.unwrap().as_bool().unwrap()
}

/// Whether a page can load a script from there.
async fn loads_script(browser: &mut Browser, url: &str) -> bool {
    let script = format!(
        "new Promise(done => {{ const tag = document.createElement('script'); tag.src = '{url}'; \
         tag.onload = () => done(true); tag.onerror = () => done(false); document.body.append(tag) }})"
    );
    browser.value(&script).await.unwrap().as_bool().unwrap()
}

#[tokio::test]
async fn somebody_logs_in_and_no_other_page_uses_it() {
    if !Browser::is_there() {
        return;
    }
    let platform = Platform::on(Backend::Process);
    let web = Service::web(&platform, "web", &[]);
    let echo = Service::of_app(&platform, "echo", "websocket.py", &[]);
    let mut browser = Browser::start().await;
    let token = platform.token();

    let page = format!("http://{}/hello?a=b", web.host);
    browser.open(&page).await;
    browser
        .until_at("the login page", |at| at.contains("/login?to="))
        .await;
    browser.enter("#token", "wrong").await;
    browser.click("button").await;
    browser.until_text("the token is not valid here").await;
    browser.enter("#token", &token).await;
    browser.click("button").await;
    browser.until_at("the page", |at| at == page).await;
    assert_eq!(browser.text().await.trim(), "web /hello");
    // No script of the application sees the cookie, and its own requests go with it.
    assert_eq!(browser.value("document.cookie").await.unwrap(), "");
    let post = "fetch('/', { method: 'POST', body: 'abc' }).then(a => a.text())";
    assert_eq!(browser.value(post).await.unwrap(), "3\n");

    // On the other service it is nobody yet; there it logs in as well.
    let other = format!("http://{}/", echo.host);
    browser.open(&other).await;
    browser
        .until_at("the login page", |at| at.contains("/login?to="))
        .await;
    browser.enter("#token", &token).await;
    browser.click("button").await;
    browser.until_at("the other page", |at| at == other).await;
    let socket = format!("ws://{}/chat", echo.host);
    assert!(opens_socket(&mut browser, &socket).await, "its own page");
    assert!(loads_script(&mut browser, &other).await, "its own page");

    // A page of the first service is of the same site, and of another origin.
    browser.open(&page).await;
    browser.until_at("the first page", |at| at == page).await;
    assert!(!opens_socket(&mut browser, &socket).await, "another page");
    assert!(!loads_script(&mut browser, &other).await, "another page");
    // A link leads there all the same.
    let link = format!("location.href = '{other}'");
    browser.value(&link).await.unwrap();
    browser.until_at("the other page", |at| at == other).await;

    browser
        .open(&format!("http://{}/.eai/logout", web.host))
        .await;
    browser
        .until_at("the logout", |at| at.ends_with("/.eai/logout"))
        .await;
    browser.click("button").await;
    browser.until_text("You are logged out here").await;
    browser.open(&page).await;
    browser
        .until_at("the login page", |at| at.contains("/login?to="))
        .await;
}
