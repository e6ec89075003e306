//! One operation of the API: what it is called, who may do it, and what it takes and gives.
//!
//! What it takes and gives is read from the types of its handler, so that no description of it can
//! say something else than what is done.

use std::future::Future;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::handler::Handler;
use axum::http::Method;
use axum::middleware::from_fn_with_state;
use axum::routing::MethodRouter;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value;

use super::audit::AuditLog;
use super::caller::Way;
use super::enforce::{Rule, enforce};
use super::extract::{Body, Path, Query};
use super::media::{Csv, Letter, Media as _};
use super::taken::Terms;
use super::{Admin, AdminError, Caller, Role};

/// What becomes of the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing.
    Looks,
    /// Nothing; but who has looked is written down: mail of others was shown.
    Reveals,
    /// Something is changed.
    Changes,
}

/// How it is said that nothing is to be changed. Who only looks needs no reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DryRun {
    /// It cannot be said.
    Never,
    /// It never changes anything that somebody would ask about: a plan, a probe.
    Always,
    /// `dry_run=true` in the query.
    Query,
    /// `"dry_run": true` in the body.
    Body,
}

impl DryRun {
    /// Does the operation know the word? Of one that does not nobody may believe it.
    fn of(shape: &Shape) -> Self {
        let knows = |of: Option<SchemaOf>| {
            let mut generator = SchemaGenerator::default();
            let schema = of.map(|of| of(&mut generator).to_value());
            let named = generator.take_definitions(true);
            schema.is_some_and(|schema| {
                let name = schema.get("$ref").and_then(Value::as_str);
                let name = name.and_then(|name| name.rsplit('/').next());
                let schema = name.and_then(|name| named.get(name)).unwrap_or(&schema);
                schema.pointer("/properties/dry_run").is_some()
            })
        };
        if knows(shape.body) {
            Self::Body
        } else if knows(shape.query) {
            Self::Query
        } else {
            Self::Never
        }
    }

    /// Is it a dry run, by what the query and the body say?
    pub(super) fn is_meant(self, (query, body): &(Vec<String>, Option<Value>)) -> bool {
        match self {
            Self::Never => false,
            Self::Always => true,
            Self::Query => !query.is_empty() && query.iter().all(|one| one == "true"),
            Self::Body => *body == Some(Value::Bool(true)),
        }
    }
}

/// What the body of a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// There is none.
    None,
    /// JSON.
    Json,
    /// Text, as a file has it.
    File,
}

/// What an answer is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Answer {
    /// JSON of this type.
    Json(SchemaOf),
    /// Something of this media type.
    Other(&'static str),
}

/// What a handler takes and gives.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) content: Content,
    pub(super) query: Option<SchemaOf>,
    pub(super) body: Option<SchemaOf>,
    pub(super) answer: Answer,
}

/// Makes the schema of a type.
pub(super) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// Something that a handler takes.
pub(super) trait Input {
    fn describe(_shape: &mut Shape) {}
}

impl Input for State<Arc<Admin>> {}
impl Input for Caller {}
impl Input for Way {}

impl<A: Input, B: Input> Input for (A, B) {
    fn describe(shape: &mut Shape) {
        A::describe(shape);
        B::describe(shape);
    }
}

impl<T> Input for Path<T> {}

impl<T: JsonSchema> Input for Query<T> {
    fn describe(shape: &mut Shape) {
        shape.query = Some(schema_of::<T>);
    }
}

impl<T: JsonSchema> Input for Body<T> {
    fn describe(shape: &mut Shape) {
        shape.content = Content::Json;
        shape.body = Some(schema_of::<T>);
    }
}

impl Input for Bytes {
    fn describe(shape: &mut Shape) {
        shape.content = Content::File;
    }
}

impl Input for axum::body::Body {
    fn describe(shape: &mut Shape) {
        shape.content = Content::File;
    }
}

/// Something that a handler gives.
pub(super) trait Output {
    fn describe() -> Answer;
}

impl<T: JsonSchema> Output for Json<T> {
    fn describe() -> Answer {
        Answer::Json(schema_of::<T>)
    }
}

impl Output for Csv {
    fn describe() -> Answer {
        Answer::Other(Self::TYPE)
    }
}

impl Output for Letter {
    fn describe() -> Answer {
        Answer::Other(Self::TYPE)
    }
}

/// What is refused has one form everywhere.
impl<T: Output> Output for Result<T, AdminError> {
    fn describe() -> Answer {
        T::describe()
    }
}

impl Shape {
    fn giving<T: Output>() -> Self {
        Self {
            content: Content::None,
            query: None,
            body: None,
            answer: T::describe(),
        }
    }
}

/// A handler whose types are known. `T` is as in [`Handler`].
pub(super) trait Described<T> {
    fn shape() -> Shape;
}

impl<F, Fut, M, A> Described<(M, A)> for F
where
    F: FnOnce(A) -> Fut,
    Fut: Future<Output: Output>,
    A: Input,
{
    fn shape() -> Shape {
        let mut shape = Shape::giving::<Fut::Output>();
        A::describe(&mut shape);
        shape
    }
}

impl<F, Fut, M, A, B> Described<(M, A, B)> for F
where
    F: FnOnce(A, B) -> Fut,
    Fut: Future<Output: Output>,
    A: Input,
    B: Input,
{
    fn shape() -> Shape {
        let mut shape = Shape::giving::<Fut::Output>();
        A::describe(&mut shape);
        B::describe(&mut shape);
        shape
    }
}

impl<F, Fut, M, A, B, C> Described<(M, A, B, C)> for F
where
    F: FnOnce(A, B, C) -> Fut,
    Fut: Future<Output: Output>,
    A: Input,
    B: Input,
    C: Input,
{
    fn shape() -> Shape {
        let mut shape = Shape::giving::<Fut::Output>();
        A::describe(&mut shape);
        B::describe(&mut shape);
        C::describe(&mut shape);
        shape
    }
}

/// A part of an operation that takes another role than the rest: what, and which.
pub(super) type Dearer = (&'static str, Role);

/// An operation.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) method: Method,
    pub(super) path: &'static str,
    /// Who may do less may not.
    pub(super) role: Role,
    /// A part of it that takes more.
    pub(super) dearer: Option<Dearer>,
    pub(super) effect: Effect,
    /// One sentence.
    pub(super) what: &'static str,
    pub(super) shape: Shape,
    /// Does it read the config again, which may be refused?
    pub(super) reads_config: bool,
    pub(super) dry_run: DryRun,
    route: MethodRouter<Arc<Admin>>,
}

impl Operation {
    fn new<H, T>(head: (Method, &'static str), role: Role, what: &'static str, handler: H) -> Self
    where
        H: Handler<T, Arc<Admin>> + Described<T>,
        T: 'static,
    {
        let (method, path) = head;
        let (effect, route) = if method == Method::GET {
            (Effect::Looks, axum::routing::get(handler))
        } else {
            (Effect::Changes, axum::routing::post(handler))
        };
        let shape = H::shape();
        Self {
            method,
            path,
            role,
            dearer: None,
            effect,
            what,
            dry_run: DryRun::of(&shape),
            shape,
            reads_config: false,
            route,
        }
    }

    /// It reads the config again, which may be refused.
    pub(super) fn reading_config(mut self) -> Self {
        self.reads_config = true;
        self
    }

    /// A part of it takes more.
    pub(super) fn dearer(mut self, what: &'static str, role: Role) -> Self {
        self.dearer = Some((what, role));
        self
    }

    /// It only plans or asks: nobody needs a reason for it.
    pub(super) fn without_reason(mut self) -> Self {
        self.dry_run = DryRun::Always;
        self
    }

    /// What it takes may have so many bytes.
    pub(super) fn up_to(mut self, bytes: usize) -> Self {
        self.route = self.route.layer(DefaultBodyLimit::max(bytes));
        self
    }

    /// What it takes is read while it comes, and may have any size.
    pub(super) fn of_any_size(mut self) -> Self {
        self.route = self.route.layer(DefaultBodyLimit::disable());
        self
    }

    /// It shows mail: who has looked is written down.
    pub(super) fn reveals(mut self) -> Self {
        self.effect = Effect::Reveals;
        self
    }

    /// The route, which nobody takes who may not.
    pub(super) fn routed(self, audit: &AuditLog) -> (&'static str, MethodRouter<Arc<Admin>>) {
        let rule = Rule {
            method: self.method,
            what: self.what,
            role: self.role,
            dearer: self.dearer,
            effect: self.effect,
            content: self.shape.content,
            terms: Terms::of(&self.shape),
            dry_run: self.dry_run,
            audit: audit.clone(),
        };
        let guarded = self.route.route_layer(from_fn_with_state(rule, enforce));
        (self.path, guarded)
    }
}

/// A GET.
pub(super) fn look<H, T>(
    path: &'static str,
    role: Role,
    what: &'static str,
    handler: H,
) -> Operation
where
    H: Handler<T, Arc<Admin>> + Described<T>,
    T: 'static,
{
    Operation::new((Method::GET, path), role, what, handler)
}

/// A POST that changes nothing: what is asked for does not fit into a query.
pub(super) fn ask<H, T>(path: &'static str, role: Role, what: &'static str, handler: H) -> Operation
where
    H: Handler<T, Arc<Admin>> + Described<T>,
    T: 'static,
{
    let operation = Operation::new((Method::POST, path), role, what, handler);
    Operation {
        effect: Effect::Looks,
        ..operation
    }
}

/// A POST that changes something.
pub(super) fn change<H, T>(
    path: &'static str,
    role: Role,
    what: &'static str,
    handler: H,
) -> Operation
where
    H: Handler<T, Arc<Admin>> + Described<T>,
    T: 'static,
{
    Operation::new((Method::POST, path), role, what, handler)
}
