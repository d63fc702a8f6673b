//! The text of `nats/nats.conf`: what the platform's nats-server is allowed and where it keeps
//! things. The same settings and tokens always give the same text.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::Error;
use super::tokens::Tokens;

/// Room for all the other streams, beside the reservations of log and object store.
const STORE_BESIDE_LOG: u64 = 16 << 30;

/// Where things are in the folder of nats-server.
#[derive(Debug, Clone)]
pub(super) struct Paths {
    pub(super) folder: PathBuf,
    pub(super) config: PathBuf,
    pub(super) pid: PathBuf,
    pub(super) log: PathBuf,
    /// What it says before it opens its log: a configuration it doesn't understand.
    pub(super) early_log: PathBuf,
}

/// What the configuration depends on, beside paths and tokens.
#[derive(Debug, Clone)]
pub(super) struct Options {
    pub(super) port: u16,
    pub(super) websocket: Option<WebSocket>,
    pub(super) server_name: String,
    pub(super) log_max_bytes: u64,
    pub(super) tasks_max_bytes: u64,
    pub(super) data_max_bytes: u64,
    pub(super) unsafe_fsync: bool,
}

/// A listener for browsers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WebSocket {
    pub(crate) address: SocketAddr,
    /// The origins of pages that may use it; programs have none, and may.
    pub(crate) origins: Vec<String>,
}

// === impl WebSocket ===

impl WebSocket {
    fn text(&self) -> String {
        let origins: Vec<String> = self.origins.iter().map(|origin| quoted(origin)).collect();
        // An empty list would let pages of all origins in: then only pages of its own.
        format!(
            r#"
websocket {{
  listen: "{address}"
  no_tls: true
  same_origin: {same}
  allowed_origins: [{origins}]
  handshake_timeout: "10s"
}}
"#,
            address = self.address,
            same = self.origins.is_empty(),
            origins = origins.join(", "),
        )
    }
}

// === impl Paths ===

impl Paths {
    /// The data directory must be an absolute path.
    pub(super) fn new(data: &Path) -> Self {
        let folder = data.join("nats");
        let file = |name| folder.join(name);
        Self {
            config: file("nats.conf"),
            pid: file("nats.pid"),
            log: file("nats.log"),
            early_log: file("nats.early.log"),
            folder,
        }
    }

    /// Where the server keeps what it was last told of an account.
    pub(super) fn token(&self, account: &str) -> PathBuf {
        self.tokens().join(format!("{account}.jwt"))
    }

    fn tokens(&self) -> PathBuf {
        self.folder.join("jwt")
    }
}

// === impl Options ===

impl Options {
    pub(super) fn text(&self, paths: &Paths, tokens: &Tokens) -> Result<String, Error> {
        let file = |path: &Path| {
            let text = path.to_str().ok_or_else(|| Error::Path(path.to_owned()))?;
            Ok(quoted(text))
        };
        // An acknowledged event must survive a power loss; the default syncs every two minutes.
        let sync = if self.unsafe_fsync { "2m" } else { "always" };
        let accounts: Vec<String> = tokens
            .accounts
            .iter()
            .map(|(key, token)| format!("  {key}: {}\n", quoted(token)))
            .collect();
        Ok(format!(
            r#"# Written by `eai server` at every start: changes made here are lost.
listen: "127.0.0.1:{port}"
server_name: {name}
max_payload: 1048576
write_deadline: "10s"
lame_duck_grace_period: "1s"
lame_duck_duration: "30s"
pid_file: {pid}
log_file: {log}
logfile_size_limit: 16777216
logfile_max_num: 3

jetstream {{
  store_dir: {store}
  sync_interval: {sync}
  max_file_store: {max_file}
  max_memory_store: 67108864
}}

operator: {operator}
system_account: {system}
resolver: {{ type: full, dir: {jwt}, allow_delete: false, interval: "2m" }}
resolver_preload: {{
{accounts}}}
{websocket}"#,
            port = self.port,
            name = quoted(&self.server_name),
            pid = file(&paths.pid)?,
            log = file(&paths.log)?,
            store = file(&paths.folder.join("js"))?,
            max_file = self
                .log_max_bytes
                .saturating_add(self.tasks_max_bytes)
                .saturating_add(self.data_max_bytes)
                .saturating_add(STORE_BESIDE_LOG)
                .min(i64::MAX as u64),
            operator = quoted(&tokens.operator),
            system = tokens.system_account,
            jwt = file(&paths.tokens())?,
            accounts = accounts.concat(),
            websocket = self
                .websocket
                .as_ref()
                .map(WebSocket::text)
                .unwrap_or_default(),
        ))
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(data: &str, unsafe_fsync: bool, log_max_bytes: u64) -> String {
        let tokens = Tokens {
            operator: "o.p.q".to_owned(),
            system_account: "ASYS".to_owned(),
            accounts: vec![("ASYS".to_owned(), "a.b.c".to_owned())],
        };
        let options = Options {
            port: 12345,
            websocket: None,
            server_name: "eai-1".to_owned(),
            log_max_bytes,
            tasks_max_bytes: 1,
            data_max_bytes: 1,
            unsafe_fsync,
        };
        options.text(&Paths::new(Path::new(data)), &tokens).unwrap()
    }

    #[test]
    fn every_write_is_synced_unless_told_otherwise() {
        assert!(text("/d", false, 1).contains("sync_interval: always\n"));
        assert!(text("/d", true, 1).contains("sync_interval: 2m\n"));
    }

    #[test]
    fn it_listens_on_loopback_and_nowhere_else() {
        let text = text("/d", false, 1);
        assert!(text.contains("listen: \"127.0.0.1:12345\""));
        for word in ["http", "monitor", "cluster {", "leafnodes", "websocket"] {
            assert!(!text.contains(word), "{word}");
        }
    }

    #[test]
    fn odd_paths_and_sizes_are_written_so_that_they_are_read_back() {
        let text = text("/d \"q\" \\ $HOME", false, u64::MAX);
        assert!(
            text.contains(r#"pid_file: "/d \"q\" \\ $HOME/nats/nats.pid""#),
            "{text}"
        );
        assert!(text.contains("max_file_store: 9223372036854775807"));
    }
}
