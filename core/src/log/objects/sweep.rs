//! Sweeping: what was uploaded and never used goes, a day later.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{BUCKET, Error, Meta, Objects, STREAM};
use crate::digest::Digest;
use crate::log::direct;

/// Messages looked at in one read.
const RUN: usize = 64;

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Contents that nothing refers to.
    pub objects: usize,
    /// Uploads that were never finished.
    pub uploads: usize,
}

/// Who knows which contents are in use.
pub trait Live: Send {
    /// All of them, by now.
    fn digests(&mut self) -> impl Future<Output = Result<HashSet<Digest>, Error>> + Send;
}

/// An object as it is found.
struct Found {
    nuid: String,
    size: u64,
    subject: String,
    time: OffsetDateTime,
}

impl Objects {
    /// Removes what was stored before a moment and is of no use: contents that are not among `live`, and
    /// chunks of uploads that broke off. `live` is asked again when nobody can come to rely on anything.
    pub async fn sweep(
        &self,
        before: OffsetDateTime,
        live: &mut impl Live,
    ) -> Result<Swept, Error> {
        let mut swept = Swept::default();
        let found = self.all().await?;
        let is_old = |found: &Found| found.time < before;
        let mut unused: Vec<_> = found.iter().filter(|(_, found)| is_old(found)).collect();
        if !unused.is_empty() {
            let used = live.digests().await?;
            unused.retain(|(digest, _)| !used.contains(digest));
        }
        if !unused.is_empty() {
            let _alone = self.inner.relied_on.write().await;
            let used = live.digests().await?;
            unused.retain(|(digest, _)| !used.contains(digest));
            for (_, Found { nuid, subject, .. }) in &unused {
                // Without its last message it is not there any more, so its chunks are of no use.
                self.purge(subject).await?;
                self.purge(&super::chunk_subject(nuid)).await?;
                swept.objects += 1;
            }
        }
        let known: HashSet<&str> = found.values().map(|found| found.nuid.as_str()).collect();
        for subject in self.chunk_subjects().await? {
            let nuid = subject.rsplit('.').next().unwrap_or_default();
            if known.contains(nuid)
                || self
                    .newest(&subject)
                    .await?
                    .is_none_or(|time| time >= before)
            {
                continue;
            }
            self.purge(&subject).await?;
            swept.uploads += 1;
        }
        Ok(swept)
    }

    /// The bytes of contents that nothing refers to: a sweep removes them once they are old enough.
    pub async fn unused_bytes(&self, live: &mut impl Live) -> Result<u64, Error> {
        let found = self.all().await?;
        let used = live.digests().await?;
        let unused = found.iter().filter(|(digest, _)| !used.contains(digest));
        Ok(unused.map(|(_, found)| found.size).sum())
    }

    /// Removes everything on a subject of the bucket.
    pub(super) async fn purge(&self, subject: &str) -> Result<(), Error> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(default)]
            success: bool,
        }
        let call = format!("STREAM.PURGE.{STREAM}");
        let body = json!({ "filter": subject });
        let answer = self.inner.cleaner.api(&call, &body).await?;
        match serde_json::from_slice::<Answer>(&answer.payload) {
            Ok(Answer { success: true }) => Ok(()),
            _ => Err(Error::Unavailable(format!("`{subject}` was not purged"))),
        }
    }

    /// Every object, by its digest.
    async fn all(&self) -> Result<HashMap<Digest, Found>, Error> {
        let filter = format!("$O.{BUCKET}.M.>");
        let mut objects = HashMap::new();
        let mut next = 1;
        loop {
            let request = json!({ "next_by_subj": filter, "seq": next, "batch": RUN });
            let (found, more) = direct::get(&self.inner.connection, STREAM, &request).await?;
            for message in &found {
                next = direct::number(message, "Nats-Sequence") + 1;
                let Ok(meta) = serde_json::from_slice::<Meta>(&message.payload) else {
                    continue;
                };
                if let (Ok(digest), Some(time)) = (meta.name.parse(), time(message)) {
                    // The last one of a name is the one that is read.
                    let found = Found {
                        nuid: meta.nuid,
                        size: meta.size,
                        subject: super::meta_subject(digest),
                        time,
                    };
                    objects.insert(digest, found);
                }
            }
            if !more || found.is_empty() {
                return Ok(objects);
            }
        }
    }

    /// The subjects that have chunks.
    async fn chunk_subjects(&self) -> Result<Vec<String>, Error> {
        #[derive(Deserialize)]
        struct Info {
            state: State,
        }
        #[derive(Deserialize)]
        struct State {
            #[serde(default)]
            subjects: HashMap<String, u64>,
        }
        let mut subjects = Vec::new();
        loop {
            let body =
                json!({ "subjects_filter": format!("$O.{BUCKET}.C.>"), "offset": subjects.len() });
            let call = format!("STREAM.INFO.{STREAM}");
            let answer = self.inner.connection.api(&call, &body).await?;
            let info: Info = serde_json::from_slice(&answer.payload)
                .map_err(|error| Error::Unavailable(error.to_string()))?;
            if info.state.subjects.is_empty() {
                return Ok(subjects);
            }
            subjects.extend(info.state.subjects.into_keys());
        }
    }

    /// When the newest message on a subject was stored.
    async fn newest(&self, subject: &str) -> Result<Option<OffsetDateTime>, Error> {
        let request = json!({ "multi_last": [subject], "batch": 1 });
        let (found, _) = direct::get(&self.inner.connection, STREAM, &request).await?;
        Ok(found.first().and_then(time))
    }
}

fn time(message: &async_nats::Message) -> Option<OffsetDateTime> {
    let text = direct::header(message, "Nats-Time-Stamp")?;
    OffsetDateTime::parse(text, &Rfc3339).ok()
}
