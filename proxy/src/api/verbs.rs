//! Requests that are a verb and nothing else: `POST …/{ref}/stop`. What a verb means is its aggregate's business.

/// Handlers that hand the named command to the `change` of the module that they are in, and answer with `$shape`.
macro_rules! verbs {
    ($shape:ty: $($verb:ident $command:ident,)*) => {$(
        pub(crate) async fn $verb(
            State(state): State<Shared>,
            caller: Caller,
            Key(id): Key,
            headers: HeaderMap,
            Ref(reference): Ref,
        ) -> Result<Json<$shape>, ApiError> {
            change(state, caller, id, headers, reference, Command::$command).await
        }
    )*};
}

pub(super) use verbs;
