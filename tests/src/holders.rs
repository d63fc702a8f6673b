//! Who may do what on a platform: users and keys with some policies.

use crate::api::{Api, text};
use crate::platform::Platform;

/// A user with a role, and the access token that it has.
pub async fn user(platform: &Platform, api: &Api, name: &str, policies: &str) -> String {
    let new = ["user", "new", name, "--field", "refreshToken"];
    let refresh = platform.cli(new).ok();
    let role = format!("{name}_is");
    platform
        .cli(["role", "new", &role, "--policy", policies])
        .ok();
    platform
        .cli(["role", "member", "add", &role, "--user", name])
        .ok();
    let access = api.with_token(&refresh).post("/v1/token", None).await.ok();
    text(&access["token"])
}

/// A key of a new role.
pub fn key_of(platform: &Platform, role: &str, policies: &str) -> String {
    platform
        .cli(["role", "new", role, "--policy", policies])
        .ok();
    let key = ["role", "key", "new", role, "--field", "key"];
    platform.cli(key).ok()
}
