//! What an operation takes and answers, as the types of its handler tell it.
//!
//! A handler whose body or answer is not one type of JSON says with `Sent` and `Told` what it is.

use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;

use axum::Json;
use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde_json::{Value, json};

use super::schemas::Schemas;
use crate::api::extract::{Input, Key, Params, Ref};
use crate::api::{ApiError, Shared};
use crate::auth::Caller;

const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";
const OCTETS: &str = "application/octet-stream";
const PLAIN: &str = "text/plain";

/// What is told of one operation.
#[derive(Debug)]
pub(in crate::api) struct Telling<'a> {
    pub(super) schemas: &'a mut Schemas,
    pub(super) parameters: Vec<Value>,
    /// The content of the body by media type.
    pub(super) body: BTreeMap<&'static str, Value>,
    /// There may be none.
    pub(super) may_be_empty: bool,
    /// The content of answers by status and media type; a status without any has no body.
    pub(super) answers: BTreeMap<u16, BTreeMap<&'static str, Vec<Value>>>,
    /// The statuses of errors.
    pub(super) errors: BTreeSet<u16>,
}

/// A handler, whose types tell of its operation.
pub(in crate::api) trait Tells<T> {
    fn tell(telling: &mut Telling<'_>);
}

/// What a handler takes.
pub(in crate::api) trait Takes {
    fn takes(telling: &mut Telling<'_>);
}

/// What a handler answers.
pub(in crate::api) trait Answers {
    fn answers(telling: &mut Telling<'_>);
}

/// What a body may be.
pub(in crate::api) trait Body {
    fn body(telling: &mut Telling<'_>);
}

/// A body that the handler reads itself, and what it has to be.
pub(in crate::api) struct Sent<B>(
    pub(in crate::api) Request,
    pub(in crate::api) PhantomData<B>,
);

/// An answer that the handler writes itself, and what it may be.
pub(in crate::api) struct Told<A>(Response, PhantomData<A>);

/// Something that was made: 201.
#[derive(Debug)]
pub(in crate::api) struct Made<T>(pub(in crate::api) T);

/// Text.
#[derive(Debug)]
pub(in crate::api) struct Text;
/// Bytes.
#[derive(Debug)]
pub(in crate::api) struct Octets;
/// A tar of files.
#[derive(Debug)]
pub(in crate::api) struct Tarred;
/// One value of JSON a line, and blank lines.
#[derive(Debug)]
pub(in crate::api) struct Lines<T>(PhantomData<T>);
/// An event as it is stored.
#[derive(Debug)]
pub(in crate::api) struct Stored<T>(PhantomData<T>);
/// Nothing: 204.
#[derive(Debug)]
pub(in crate::api) struct Nothing;

// === impl Telling ===

impl Telling<'_> {
    fn fails(&mut self, statuses: &[u16]) {
        self.errors.extend(statuses);
    }

    fn answer(&mut self, status: u16, media_type: &'static str, schema: Value) {
        let content = self.answers.entry(status).or_default();
        content.entry(media_type).or_default().push(schema);
    }
}

// === impl Tells ===

macro_rules! tells {
    ($($part:ident)*) => {
        impl<F, Fut, Res, M, $($part,)*> Tells<(M, $($part,)*)> for F
        where
            F: FnOnce($($part,)*) -> Fut,
            Fut: Future<Output = Res>,
            Res: Answers,
            $($part: Takes,)*
        {
            fn tell(telling: &mut Telling<'_>) {
                $($part::takes(telling);)*
                Res::answers(telling);
            }
        }
    };
}

tells!();
tells!(A);
tells!(A B);
tells!(A B C);
tells!(A B C D);
tells!(A B C D E);
tells!(A B C D E G);
tells!(A B C D E G H);

// === impl Takes ===

impl Takes for State<Shared> {
    fn takes(_: &mut Telling<'_>) {}
}

impl Takes for HeaderMap {
    fn takes(_: &mut Telling<'_>) {}
}

impl Takes for Caller {
    fn takes(telling: &mut Telling<'_>) {
        telling.fails(&[401, 403, 429]);
    }
}

impl Takes for Ref {
    fn takes(telling: &mut Telling<'_>) {
        let reference = json!({ "$ref": "#/components/parameters/reference" });
        telling.parameters.push(reference);
        telling.fails(&[404]);
    }
}

impl Takes for Key {
    fn takes(telling: &mut Telling<'_>) {
        let key = json!({ "$ref": "#/components/parameters/key" });
        telling.parameters.push(key);
        telling.fails(&[404, 409, 413, 507]);
    }
}

impl<T: JsonSchema> Takes for Params<T> {
    fn takes(telling: &mut Telling<'_>) {
        telling.parameters.extend(telling.schemas.query::<T>());
        // An account or a service may be named there.
        telling.fails(&[404]);
    }
}

impl<T: JsonSchema> Takes for Input<T> {
    fn takes(telling: &mut Telling<'_>) {
        Sent::<Json<T>>::takes(telling);
    }
}

impl<B: Body> Takes for Sent<B> {
    fn takes(telling: &mut Telling<'_>) {
        B::body(telling);
        // What it names may not be there.
        telling.fails(&[404, 413]);
    }
}

// === impl Body ===

impl<T: JsonSchema> Body for Json<T> {
    fn body(telling: &mut Telling<'_>) {
        let schema = telling.schemas.input::<T>();
        telling.body.insert(JSON, schema);
    }
}

impl<T: JsonSchema> Body for Lines<T> {
    fn body(telling: &mut Telling<'_>) {
        let line = telling.schemas.input::<T>();
        telling.body.insert(NDJSON, a_line(&line));
    }
}

impl Body for Octets {
    fn body(telling: &mut Telling<'_>) {
        telling.body.insert(OCTETS, bytes());
        telling.may_be_empty = true;
        // What it is kept in may be full.
        telling.fails(&[507]);
    }
}

impl Body for Tarred {
    fn body(telling: &mut Telling<'_>) {
        telling.body.insert("application/x-tar", bytes());
    }
}

impl<A: Body, B: Body> Body for (A, B) {
    fn body(telling: &mut Telling<'_>) {
        A::body(telling);
        B::body(telling);
    }
}

fn bytes() -> Value {
    json!({ "type": "string", "format": "binary" })
}

/// Lines, of which the document can only say what each of them is.
fn a_line(schema: &Value) -> Value {
    json!({ "type": "string", "description": "One value a line.", "x-eai-line": schema })
}

// === impl Answers ===

impl<A: Answers> Answers for Result<A, ApiError> {
    fn answers(telling: &mut Telling<'_>) {
        A::answers(telling);
    }
}

impl<T: JsonSchema> Answers for Json<T> {
    fn answers(telling: &mut Telling<'_>) {
        let schema = telling.schemas.answer::<T>();
        telling.answer(200, JSON, schema);
    }
}

impl<T: JsonSchema> Answers for Made<T> {
    fn answers(telling: &mut Telling<'_>) {
        let schema = telling.schemas.answer::<T>();
        telling.answer(201, JSON, schema);
    }
}

impl Answers for Text {
    fn answers(telling: &mut Telling<'_>) {
        telling.answer(200, PLAIN, json!({ "type": "string" }));
    }
}

impl Answers for Octets {
    fn answers(telling: &mut Telling<'_>) {
        telling.answer(200, OCTETS, bytes());
    }
}

impl<T: JsonSchema> Answers for Lines<T> {
    fn answers(telling: &mut Telling<'_>) {
        let line = telling.schemas.answer::<T>();
        telling.answer(200, NDJSON, a_line(&line));
        // There may be too many that follow: that is a 503 as everywhere.
    }
}

impl<T: JsonSchema> Answers for Stored<T> {
    fn answers(telling: &mut Telling<'_>) {
        let schema = telling.schemas.answer::<T>();
        telling.answer(200, eai_core::envelope::MEDIA_TYPE, schema);
    }
}

impl Answers for Nothing {
    fn answers(telling: &mut Telling<'_>) {
        telling.answers.entry(204).or_default();
    }
}

impl<A: Answers> Answers for Told<A> {
    fn answers(telling: &mut Telling<'_>) {
        A::answers(telling);
    }
}

impl<A: Answers, B: Answers> Answers for (A, B) {
    fn answers(telling: &mut Telling<'_>) {
        A::answers(telling);
        B::answers(telling);
    }
}

impl<A: Answers, B: Answers, C: Answers> Answers for (A, B, C) {
    fn answers(telling: &mut Telling<'_>) {
        <(A, B)>::answers(telling);
        C::answers(telling);
    }
}

// === what axum makes of them ===

impl<B> FromRequest<Shared> for Sent<B> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &Shared) -> Result<Self, ApiError> {
        Ok(Self(request, PhantomData))
    }
}

impl<A> From<Response> for Told<A> {
    fn from(response: Response) -> Self {
        Self(response, PhantomData)
    }
}

impl<A> IntoResponse for Told<A> {
    fn into_response(self) -> Response {
        self.0
    }
}

impl<T: serde::Serialize> IntoResponse for Made<T> {
    fn into_response(self) -> Response {
        (StatusCode::CREATED, Json(self.0)).into_response()
    }
}
