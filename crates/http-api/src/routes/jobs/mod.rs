//! `/jobs`: changes of many images, carried out in the background.

mod request;

use std::num::NonZeroU32;

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    http::header::{self, ContentType},
    web::{Data, Payload},
};
use domain::{
    Job, JobId, RequestFingerprint, RequestLease, Scope, ShownNames, ports::ImageStoreError,
    service::JobError,
};

use self::request::AskedJob;
pub(crate) use self::request::NewJobBody;
use super::{
    path,
    repeatable::{self, Request},
};
use crate::{
    access,
    forwarded::Forwarded,
    idempotency, json_body, link,
    problem::{Code, Problem},
    queries::{self, JobList},
    response::{self, JobBody, Presentation},
    rights::Right,
    state::State,
};

/// How many jobs are listed if the request does not say.
const LISTED: NonZeroU32 = NonZeroU32::new(100).unwrap();

/// Make a job.
///
/// It is carried out in the background. It changes only images that were recorded when it was made, and that still match
/// when their turn comes. The request is answered once the images were counted.
#[utoipa::path(
    post,
    path = "/jobs",
    operation_id = "create_job",
    tag = "jobs",
    params(
        (
            "language" = Option<String>, Query, example = "es",
            description = "The language of the names of tags in `add`, in `remove` and in the answer. Names in `filter` are \
                           understood as in `GET /images`, with and without it."
        ),
        (
            "Idempotency-Key" = Option<String>, Header, nullable = false, min_length = 1, max_length = 255,
            example = "8e03978e-40d5-43e8-bc93-6894a57f9324",
            description = "Makes it safe to repeat the request: with the same key, body and language it answers the job \
                           that was made first, for 24 hours. Visible ASCII without blanks. Keys of different API keys \
                           are apart."
        ),
    ),
    request_body(
        content = NewJobBody, content_type = "application/json",
        description = "What is to be done, and to which images.",
        example = json!({"kind": "edit", "filter": {"tags": "dog"}, "add": ["pet"], "expected": 12}),
    ),
    responses((
        status = 202, body = JobBody, description = "The job is made.",
        headers(("Location" = String, description = "The path of the job.")),
        links(("job" = (
            operation_id = "get_job",
            parameters(("id" = "$response.body#/id")),
            description = "The job that was made."
        ))),
    )),
)]
pub(crate) async fn post_job(
    request: HttpRequest,
    body: Payload,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    let language = queries::image(request.query_string())?;
    let names = state.names(language.as_deref()).await?;
    let key = idempotency::key(request.headers())?;
    let body: NewJobBody = json_body::read(&request, body, &state.settings).await?;
    let asked = body.asked(state.settings.timezone)?;
    if body.is_for_administrators() {
        access::require_further(&state, &request, Right::Change(Scope::Admin))?;
    }
    let attempt = match key {
        None => None,
        Some(key) => {
            let fingerprint = fingerprint(&body, language.as_deref())?;
            match repeatable::begin(&state, &request, key, fingerprint).await? {
                Request::New(attempt) => Some(attempt),
                Request::Done(id) => {
                    let id = JobId::from_bytes(*id.as_bytes());
                    return answer(&request, &state, &find(&state, id).await?, &names).await;
                }
            }
        }
    };
    let lease = attempt.as_ref().map(idempotency::Attempt::lease);
    let made = create(&state, asked, &names, body.expected, lease).await;
    if let Some(attempt) = attempt {
        attempt.settle(made.is_ok()).await;
    }
    answer(&request, &state, &made?, &names).await
}

/// What repeats a request: its body, and the language that its names are in.
fn fingerprint(body: &NewJobBody, language: Option<&str>) -> Result<RequestFingerprint, Problem> {
    let mut text = response::to_json(body)?;
    if let Some(language) = language {
        text.push('\n');
        text.push_str(language);
    }
    Ok(RequestFingerprint::of_job(text.as_bytes()))
}

async fn create(
    state: &State,
    asked: AskedJob,
    names: &ShownNames,
    expected: Option<u64>,
    lease: Option<RequestLease>,
) -> Result<Job, Problem> {
    let (catalog, shown) = (state.catalog.clone(), names.clone());
    let wanted = state
        .read::<_, Problem>(async move { asked.resolve(&catalog, &shown).await })
        .await?;
    let jobs = state.jobs.clone();
    let work = async move { jobs.create(wanted, expected, lease).await };
    state.read::<_, JobError>(work).await
}

/// List the jobs, newest first.
#[utoipa::path(
    get,
    path = "/jobs",
    operation_id = "list_jobs",
    tag = "jobs",
    params(
        (
            "limit" = Option<u32>, Query, minimum = 1, maximum = 1000, example = 50,
            description = "The most jobs of the answer; 100 without it. If there are more, `Link` says where."
        ),
        (
            "cursor" = Option<String>, Query, example = "AwAAAAAAAAAq",
            description = "The place in the list where the answer begins, from the `Link` of the page before."
        ),
        (
            "language" = Option<String>, Query, example = "es",
            description = "The language of the names of tags in the result. A tag without a name in it keeps its own."
        ),
    ),
    responses((
        status = 200, body = Vec<JobBody>, description = "The jobs. Those that ended 30 days ago are removed.",
        headers((
            "Link" = String,
            description = "`<…>; rel=\"next\"` (RFC 8288): the next page, relative to the URL of this one; only if \
                           there are more jobs."
        ))
    )),
)]
pub(crate) async fn list_jobs(
    request: HttpRequest,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    let JobList {
        before,
        limit,
        language,
    } = queries::jobs(request.query_string())?;
    let names = state.names(language.as_deref()).await?;
    let limit = limit.unwrap_or(LISTED);
    let jobs = state.jobs.clone();
    // One more than requested shows whether there are more.
    let asked = limit.saturating_add(1);
    let mut page: Vec<Job> = state
        .read::<_, ImageStoreError>(async move { jobs.list(before, asked).await })
        .await?;
    let has_more = page.len() > limit.get() as usize;
    page.truncate(limit.get() as usize);
    let mut answer = HttpResponse::Ok();
    if let Some(last) = page.last().filter(|_| has_more) {
        let link = link::next_job(request.query_string(), last.number);
        answer.insert_header((header::LINK, link));
    }
    let zone = state.settings.timezone;
    let shown = Presentation { zone, names };
    let body = response::jobs(&state.runtime, state.jobs.clone(), page, shown);
    Ok(answer.content_type(ContentType::json()).body(body))
}

/// Read a job.
#[utoipa::path(
    get,
    path = "/jobs/{id}",
    operation_id = "get_job",
    tag = "jobs",
    params(
        (
            "id" = Uuid, Path, example = "7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb777",
            description = "The id of the job: a UUID of 36 characters."
        ),
        (
            "language" = Option<String>, Query, example = "es",
            description = "The language of the names of tags in the result. A tag without a name in it keeps its own."
        ),
    ),
    responses((status = 200, body = JobBody, description = "The job.")),
)]
pub(crate) async fn get_job(
    request: HttpRequest,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    let language = queries::image(request.query_string())?;
    let names = state.names(language.as_deref()).await?;
    let job = find(&state, path::id(&request)?).await?;
    written(&state, HttpResponse::Ok(), &job, &names).await
}

/// Cancel a job.
///
/// No image is changed any more once this is answered; what is done stays. A job that has ended stays as it is.
#[utoipa::path(
    delete,
    path = "/jobs/{id}",
    operation_id = "cancel_job",
    tag = "jobs",
    params(
        (
            "id" = Uuid, Path, example = "7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb777",
            description = "The id of the job: a UUID of 36 characters."
        ),
        (
            "language" = Option<String>, Query, example = "es",
            description = "The language of the names of tags in the result. A tag without a name in it keeps its own."
        ),
    ),
    responses((status = 202, body = JobBody, description = "The job as it is now.")),
)]
pub(crate) async fn delete_job(
    request: HttpRequest,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    let language = queries::image(request.query_string())?;
    let names = state.names(language.as_deref()).await?;
    let id = path::id(&request)?;
    let jobs = state.jobs.clone();
    let found = state
        .read::<_, ImageStoreError>(async move { jobs.cancel(&id).await })
        .await?;
    let job = found.ok_or_else(|| no_job(id))?;
    written(&state, HttpResponse::Accepted(), &job, &names).await
}

async fn find(state: &State, id: JobId) -> Result<Job, Problem> {
    let jobs = state.jobs.clone();
    let found = state
        .read::<_, ImageStoreError>(async move { jobs.find(&id).await })
        .await?;
    found.ok_or_else(|| no_job(id))
}

fn no_job(id: JobId) -> Problem {
    Problem::new(Code::JobNotFound, format!("there is no job {id}"))
}

/// The answer to a request that made a job.
async fn answer(
    request: &HttpRequest,
    state: &State,
    job: &Job,
    names: &ShownNames,
) -> Result<HttpResponse, Problem> {
    let origin = Forwarded::of(request, &state.settings.trusted_proxies);
    let mut answer = HttpResponse::Accepted();
    answer.insert_header((
        header::LOCATION,
        format!("{}/jobs/{}", origin.prefix, job.id),
    ));
    written(state, answer, job, names).await
}

async fn written(
    state: &State,
    mut answer: HttpResponseBuilder,
    job: &Job,
    names: &ShownNames,
) -> Result<HttpResponse, Problem> {
    let (jobs, ended) = (state.jobs.clone(), job.clone());
    let result = state
        .read::<_, ImageStoreError>(async move { jobs.result(&ended).await })
        .await?;
    let body = JobBody::new(job, result.as_ref(), state.settings.timezone, names);
    Ok(answer
        .content_type(ContentType::json())
        .body(response::to_json(&body)?))
}
