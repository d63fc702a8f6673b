//! The shims of workers in containers: each serves one container at an address of this machine, and has a folder.

use std::ffi::OsString;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::backend::{Conversation, FromWorker, Runtime, check_name};
use crate::shim::{Files, GATEWAY, GatewayOrder, bind, end, make_folder, remove_folder};

/// Where they are, and what they are.
#[derive(Clone, Debug)]
pub(super) struct Gateways {
    folder: PathBuf,
    /// The program that runs a shim, and its first arguments.
    shim: Vec<OsString>,
}

// === impl Gateways ===

impl Gateways {
    pub(super) fn new(folder: PathBuf, shim: Vec<OsString>) -> Self {
        Self { folder, shim }
    }

    /// Starts one in the place of an earlier one; the port that it serves at.
    pub(super) async fn start(
        &self,
        run: &str,
        runtime: &Runtime,
        (gateway, client): (Ipv4Addr, Ipv4Addr),
    ) -> io::Result<u16> {
        self.remove(run).await?;
        let files = self.files(run);
        make_folder(files.folder())?;
        files.put_gateway(&GatewayOrder {
            runtime: runtime.clone(),
            gateway,
            client,
        })?;
        let log = std::fs::File::create(files.log())?;
        let listener = bind(&files.socket())?;
        self.spawn(files.folder(), listener, log)?;
        let mut conversation = Conversation::begin(&files.socket()).await?;
        if let Some(FromWorker::Hello { .. }) = conversation.hear().await? {
            let port = files.port()?;
            return port.ok_or_else(|| io::ErrorKind::NotFound.into());
        }
        let said = std::fs::read_to_string(files.log()).unwrap_or_default();
        Err(io::Error::other(said.trim().to_owned()))
    }

    /// Ends that of a run, and removes all that there is of it. Repeating it does nothing.
    pub(super) async fn remove(&self, run: &str) -> io::Result<()> {
        let files = self.files(run);
        if !files.folder().exists() {
            return Ok(());
        }
        end(&files.socket()).await?;
        remove_folder(files.folder())
    }

    /// Removes those of all other runs.
    pub(super) async fn keep_only(&self, runs: &[&str]) -> io::Result<()> {
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let name = entry?.file_name();
            let name = name.to_str().filter(|name| check_name(name).is_ok());
            if let Some(name) = name.filter(|name| !runs.contains(name)) {
                self.remove(name).await?;
            }
        }
        Ok(())
    }

    /// The folder of a run's.
    pub(super) fn files(&self, run: &str) -> Files {
        Files::new(self.folder.join(run))
    }

    fn spawn(&self, folder: &Path, listener: UnixListener, log: std::fs::File) -> io::Result<()> {
        let (program, args) = self.shim.split_first().ok_or(io::ErrorKind::NotFound)?;
        let mut shim = tokio::process::Command::new(program)
            .args(args)
            .arg(GATEWAY)
            .arg(folder)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(OwnedFd::from(listener)))
            .stdout(Stdio::null())
            .stderr(Stdio::from(log))
            .spawn()?;
        // It is waited for by its socket; this only clears it away.
        tokio::spawn(async move { drop(shim.wait().await) });
        Ok(())
    }
}
