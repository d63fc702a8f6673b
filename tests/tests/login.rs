//! Browsers log in with a page, and get a cookie for one host: what it opens, and what it does not.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;

use eai_tests::{Answer, Backend, Platform, Service, WebSocket, stock, text};
use reqwest::header::{ACCEPT, COOKIE, HOST, LOCATION, SET_COOKIE};
use reqwest::{Client, Method, RequestBuilder, Url};
use serde_json::json;

/// A browser's cookies by host, and nothing else of it.
struct Browser<'a> {
    platform: &'a Platform,
    client: Client,
    cookies: BTreeMap<String, BTreeMap<String, String>>,
    /// The last cookies that were set, as they were.
    set: Vec<String>,
}

impl<'a> Browser<'a> {
    fn new(platform: &'a Platform) -> Self {
        let client = stock()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        Self {
            platform,
            client,
            cookies: BTreeMap::new(),
            set: Vec::new(),
        }
    }

    /// A request to a host, with its cookies.
    fn request(&self, method: Method, host: &str, path: &str) -> RequestBuilder {
        let request = self
            .client
            .request(method, self.platform.url(path))
            .header(HOST, host);
        let cookies = self.cookies.get(host).into_iter().flatten();
        let cookies: Vec<_> = cookies
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if cookies.is_empty() {
            return request;
        }
        request.header(COOKIE, cookies.join("; "))
    }

    /// Sends it, and keeps the cookies that come with the answer.
    async fn send(&mut self, host: &str, request: RequestBuilder) -> Answer {
        let answer = Answer::of(request).await;
        self.set.clear();
        for cookie in answer.headers.get_all(SET_COOKIE) {
            let cookie = cookie.to_str().unwrap();
            self.set.push(cookie.to_owned());
            let (pair, attributes) = cookie.split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            let jar = self.cookies.entry(host.to_owned()).or_default();
            if attributes.contains("Max-Age=0") {
                jar.remove(name);
            } else {
                jar.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    /// Opens a page.
    async fn open(&mut self, host: &str, path: &str) -> Answer {
        let request = self.request(Method::GET, host, path);
        let request = request.header(ACCEPT, "text/html,*/*;q=0.8");
        self.send(host, request).await
    }

    /// Follows a redirect; where it led.
    async fn follow(&mut self, answer: &Answer) -> (Url, Answer) {
        let url = leads_to(answer);
        let host = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
        let path = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        let answer = self.open(&host, &path).await;
        (url, answer)
    }

    /// Sends the form of a login page.
    async fn enter(&mut self, login: &Url, token: &str) -> Answer {
        let mut form: Vec<(String, String)> = login.query_pairs().into_owned().collect();
        form.push(("token".into(), token.into()));
        let host = format!("localhost:{}", login.port().unwrap());
        let request = self
            .request(Method::POST, &host, "/login")
            .header("origin", format!("http://{host}"))
            .body(encoded(&form));
        self.send(&host, request).await
    }

    /// Logs in on a host.
    async fn log_in(&mut self, host: &str, token: &str) -> Answer {
        let refused = self.open(host, "/").await;
        let login = leads_to(&refused);
        let entered = self.enter(&login, token).await;
        self.follow(&entered).await.1
    }
}

/// A form as a browser sends it.
fn encoded(form: &[(String, String)]) -> String {
    let mut url = Url::parse("http://form/").unwrap();
    url.query_pairs_mut().extend_pairs(form);
    url.query().unwrap_or_default().to_owned()
}

#[track_caller]
fn leads_to(answer: &Answer) -> Url {
    assert_eq!(answer.status, 303, "{}", answer.text());
    let location = answer.header(LOCATION.as_str()).unwrap();
    Url::parse(location).unwrap()
}

#[tokio::test]
async fn a_browser_logs_in_on_the_host_that_it_opened() {
    let platform = Platform::on(Backend::Process);
    let service = Service::web(&platform, "web", &[]);
    let host = service.host.as_str();
    let token = platform.token();
    let mut browser = Browser::new(&platform);

    let refused = browser.open(host, "/who?x=1").await;
    assert!(
        browser.set[0].starts_with("eai_login="),
        "{:?}",
        browser.set
    );
    let (login, page) = browser.follow(&refused).await;
    assert_eq!(
        (login.host_str(), login.path()),
        (Some("localhost"), "/login")
    );
    assert_eq!(page.status, 200);
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(page.text().contains("type=\"password\""), "{}", page.text());

    let wrong = browser.enter(&login, "<b>wrong</b>").await;
    assert_eq!(wrong.status, 401);
    assert!(
        wrong.text().contains("the token is not valid here"),
        "{}",
        wrong.text()
    );
    assert!(!wrong.text().contains("wrong"), "{}", wrong.text());

    let entered = browser.enter(&login, &token).await;
    let back = leads_to(&entered);
    assert_eq!(back.path(), "/.eai/login");
    assert!(!back.as_str().contains(&token), "{back}");
    let (_, returned) = browser.follow(&entered).await;
    assert_eq!(
        leads_to(&returned).as_str(),
        format!("http://{host}/who?x=1")
    );
    let session = browser.set[0].clone();
    assert!(session.starts_with("eai_session="), "{session}");
    assert!(session.ends_with("; HttpOnly; SameSite=Lax"), "{session}");
    assert!(!session.to_lowercase().contains("domain"), "{session}");

    // The application sees who it is, and its own cookies alone.
    let jar = browser.cookies.get_mut(host).unwrap();
    jar.insert("own".into(), "1".into());
    let who = browser.open(host, "/who").await.ok();
    let user = platform.cli(["user", "get", "--field", "id"]).ok();
    assert_eq!(who["headers"]["x-eai-user"], user);
    assert_eq!(who["headers"]["cookie"], "own=1");

    // A code is good once, and the job has a host of its own.
    let again = browser.follow(&entered).await.1;
    assert_eq!(again.status, 400, "{}", again.text());
    let job = text(&service.only_job().await["id"]);
    let job = host.replace(&format!("{}.service", service.id), &format!("{job}.job"));
    leads_to(&browser.open(&job, "/").await);
    let returned = browser.log_in(&job, &token).await;
    browser.follow(&returned).await.1.ok_text();

    // Who logs out is out.
    let own = format!("http://{host}");
    let leave = browser.request(Method::POST, host, "/.eai/logout");
    let left = browser.send(host, leave.try_clone().unwrap()).await;
    assert_eq!(left.status, 403, "no page of this host sent it");
    let left = browser.send(host, leave.header("origin", own)).await;
    assert_eq!(left.status, 200, "{}", left.text());
    leads_to(&browser.open(host, "/who").await);

    // Nothing of all that was written anywhere.
    let log = platform.log();
    let (_, secret) = session.split_once('=').unwrap();
    let secret = secret.split(';').next().unwrap();
    for text in [&token, secret, back.query().unwrap()] {
        assert!(!log.contains(text), "{log}");
    }
}

#[tokio::test]
async fn a_cookie_is_for_one_host_and_no_longer_than_its_token() {
    let platform = Platform::on(Backend::Process);
    let service = Service::web(&platform, "web", &[]);
    let other = Service::web(&platform, "other", &[]);
    let host = service.host.as_str();
    platform
        .cli([
            "role",
            "new",
            "readers",
            "--policy",
            "service:get@snow.testacc.*",
        ])
        .ok();
    let refresh = platform
        .cli(["user", "new", "ann", "--field", "refreshToken"])
        .ok();
    platform
        .cli(["role", "member", "add", "readers", "--user", "ann"])
        .ok();
    let bought = service
        .api()
        .with_token(&refresh)
        .post("/v1/token", None)
        .await;
    let token = text(&bought.ok()["token"]);

    let mut browser = Browser::new(&platform);
    let returned = browser.log_in(host, &token).await;
    browser.follow(&returned).await.1.ok_text();
    let session = browser.cookies[host]["eai_session"].clone();

    // Not on another service, and not at the API, in whatever way it comes.
    let there = browser.cookies.entry(other.host.clone()).or_default();
    there.insert("eai_session".into(), session.clone());
    leads_to(&browser.open(&other.host, "/").await);
    let api = format!(
        "localhost:{}",
        platform.address().rsplit_once(':').unwrap().1
    );
    let here = browser.cookies.entry(api.clone()).or_default();
    here.insert("eai_session".into(), session.clone());
    assert_eq!(browser.open(&api, "/v1/me").await.status, 401);
    let bearer = service.api().with_token(&session).get("/v1/me").await;
    assert_eq!(bearer.refused(), (401, "unauthenticated".into()));
    let bearer = service.api().with_token(&session).request(Method::GET, "/");
    let bearer = Answer::of(bearer.header(HOST, host)).await;
    assert_eq!(bearer.refused(), (401, "unauthenticated".into()));

    // What revokes the token revokes the cookie, with the next request.
    browser.open(host, "/").await.ok_text();
    platform.cli(["user", "revoke", "ann"]).ok();
    leads_to(&browser.open(host, "/").await);

    // A refresh token is none of those that log in.
    let login = leads_to(&browser.open(host, "/").await);
    assert_eq!(browser.enter(&login, &refresh).await.status, 401);
}

#[tokio::test]
async fn a_page_of_another_host_uses_nobodys_cookie() {
    let platform = Platform::on(Backend::Process);
    let service = Service::of_app(&platform, "echo", "websocket.py", &[]);
    let host = service.host.as_str();
    let mut browser = Browser::new(&platform);
    let returned = browser.log_in(host, &platform.token()).await;
    browser.follow(&returned).await;
    let ask = async |method: Method, headers: &[(&str, &str)]| {
        let request = browser.request(method, host, "/");
        let request = headers.iter().fold(request, |request, (name, value)| {
            request.header(*name, *value)
        });
        Answer::of(request).await.status
    };
    let own = format!("http://{host}");
    let sibling = "http://9f2c1b64-7c0e-4a3e-8d53-1f0b8d6a5e10.service.localhost:1";
    for (method, headers, status) in [
        (Method::GET, &[][..], 200),
        (Method::POST, &[("origin", own.as_str())], 200),
        (Method::POST, &[], 401),
        (Method::POST, &[("origin", sibling)], 401),
        (Method::GET, &[("origin", sibling)], 401),
        (
            Method::GET,
            &[
                ("sec-fetch-site", "same-site"),
                ("sec-fetch-mode", "no-cors"),
            ],
            401,
        ),
    ] {
        assert_eq!(
            ask(method.clone(), headers).await,
            status,
            "{method} {headers:?}"
        );
    }
    let cookie = format!("eai_session={}", browser.cookies[host]["eai_session"]);
    let socket = |origin: Option<&str>| {
        let mut headers = vec![("host", host), ("cookie", &cookie)];
        headers.extend(origin.map(|origin| ("origin", origin)));
        WebSocket::open(platform.address(), &headers).map(WebSocket::closes)
    };
    assert_eq!(socket(Some(&own)), Ok(()));
    assert_eq!(socket(Some(sibling)), Err(401));
    assert_eq!(socket(None), Err(401));
}

#[tokio::test]
async fn nobody_is_led_elsewhere_or_logged_in_by_others() {
    let platform = Platform::on(Backend::Process);
    let service = Service::web(&platform, "web", &[]);
    let host = service.host.as_str();
    let token = platform.token();
    let mut browser = Browser::new(&platform);
    let login = leads_to(&browser.open(host, "/").await);
    let port = login.port().unwrap();
    let challenge = login
        .query_pairs()
        .find(|(name, _)| name == "challenge")
        .unwrap()
        .1
        .into_owned();
    let id = &service.id;
    for to in [
        "http://evil.test/",
        "//evil.test/",
        "/",
        "javascript:alert(1)",
        &format!("http://localhost:{port}/v1/me"),
        &format!("http://{id}.service.localhost.evil.test:{port}/"),
        &format!("http://{id}.service.localhost:1/"),
        &format!("http://{id}.service.localhost/"),
        &format!("https://{id}.service.localhost:{port}/"),
        &format!("http://user@{id}.service.localhost:{port}/"),
        &format!("http://evil.test\\@{id}.service.localhost:{port}/"),
        &format!("http://nobody.service.localhost:{port}/"),
    ] {
        let mut elsewhere = login.clone();
        elsewhere
            .query_pairs_mut()
            .clear()
            .append_pair("to", to)
            .append_pair("challenge", &challenge);
        let answer = browser.enter(&elsewhere, &token).await;
        assert_eq!(answer.status, 400, "{to}: {:?}", answer.header("location"));
    }
    // What looks like another host behind the right one stays on the right one.
    let mut odd = login.clone();
    odd.query_pairs_mut()
        .clear()
        .append_pair("to", &format!("http://{host}//evil.test/"))
        .append_pair("challenge", &challenge);
    let entered = browser.enter(&odd, &token).await;
    let returned = browser.follow(&entered).await.1;
    assert_eq!(
        leads_to(&returned).as_str(),
        format!("http://{host}//evil.test/")
    );

    // A form of another page, and a code of another browser.
    let form: Vec<(String, String)> = login.query_pairs().into_owned().collect();
    for origin in [
        None,
        Some("null"),
        Some("http://evil.test"),
        Some(&*format!("http://{host}")),
    ] {
        let mut request = browser
            .client
            .post(platform.url("/login"))
            .body(encoded(&form));
        request = request.header(HOST, format!("localhost:{port}"));
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        assert_eq!(Answer::of(request).await.status, 403, "{origin:?}");
    }
    let mut attacker = Browser::new(&platform);
    let entered = {
        let refused = attacker.open(host, "/").await;
        attacker.enter(&leads_to(&refused), &token).await
    };
    let mut victim = Browser::new(&platform);
    victim.open(host, "/").await;
    let (_, answer) = victim.follow(&entered).await;
    assert_eq!(answer.status, 400);
    assert!(!victim.cookies[host].contains_key("eai_session"));
    // A program gets what it got before.
    let bare = attacker.request(Method::GET, host, "/");
    let bare = Browser::new(&platform).send(host, bare).await;
    assert_eq!(bare.refused(), (401, "unauthenticated".into()));
    assert_eq!(bare.headers.get("location"), None, "{}", json!(bare.text()));
}
