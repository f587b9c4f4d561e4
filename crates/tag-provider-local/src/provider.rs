//! The port: background loading, and a bounded queue of pictures.

use std::{
    num::{NonZeroU32, NonZeroUsize},
    sync::Arc,
    thread,
};

use async_trait::async_trait;
use domain::{
    DecodedPicture, FeatureModel, Features, ProviderIdentity,
    ports::{
        CallContext, Cause, FeatureExtractor, PictureSource, Prediction, Quota, TagProvider,
        UpstreamError, cause,
    },
};
use rayon::{ThreadPool, ThreadPoolBuilder};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

use crate::{
    files::{ModelError, ModelFiles},
    networks::{Networks, TaggingError},
    vocabulary::Vocabulary,
};

/// The only language of the tags.
pub const LANGUAGE: &str = "en";

/// Longest side in pixels of the decoded copy. The networks see 224 and 416 pixels, so this is enough, and
/// large JPEGs can be decoded at a reduced scale.
const SIDE: NonZeroU32 = NonZeroU32::MIN.saturating_add(639);

/// How many pictures may wait for each running one. At a tenth of a second each, the last one waits some
/// seconds; a longer queue would only occupy memory.
const WAITING_PER_JOB: usize = 64;

/// When a model is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Startup {
    /// On its own thread; pictures wait for it.
    Background,
    /// Before `start` returns: an unusable model is an error of `start`.
    Now,
}

/// The result of loading, once there is one.
type Loaded = Option<Result<Arc<Networks>, Cause>>;

/// Tags pictures in this process, without any network access.
///
/// At most one picture per core is processed, on threads of its own. The others are queued; when the queue
/// is full, calls fail with [`UpstreamError::Busy`]. A cancelled call leaves the queue; a running one is
/// finished.
#[derive(Debug)]
pub struct LocalTagger {
    identity: ProviderIdentity,
    feature_model: FeatureModel,
    loaded: watch::Receiver<Loaded>,
    /// One thread for each running picture. A fixed pool, because the allocator keeps the tens of megabytes
    /// that a network needs for each thread that ran one.
    threads: ThreadPool,
    /// Permits for queued and running pictures.
    places: Arc<Semaphore>,
    turns: Arc<Semaphore>,
}

impl LocalTagger {
    /// Reads the tables of a model, and loads its networks or starts to.
    pub fn start(files: ModelFiles, startup: Startup) -> Result<Self, ModelError> {
        let jobs = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self::start_with(files, startup, jobs)
    }

    fn start_with(files: ModelFiles, startup: Startup, jobs: usize) -> Result<Self, ModelError> {
        let vocabulary = Vocabulary::read(&files)?;
        let feature_model = files.feature_model()?;
        let identity = ProviderIdentity::parse("local", files.version(), LANGUAGE)?;
        let threads = ThreadPoolBuilder::new()
            .num_threads(jobs)
            .thread_name(|number| format!("tagger-{number}"))
            // Waiters learn of a panic by the dropped sender; without this handler the process would abort.
            .panic_handler(|_| ())
            .build()
            .map_err(|error| ModelError::Threads(error.into()))?;
        let loaded = match startup {
            Startup::Now => {
                let networks = Networks::load(&files, vocabulary)?;
                watch::channel(Some(Ok(Arc::new(networks)))).1
            }
            Startup::Background => load_in_background(&threads, files, vocabulary),
        };
        Ok(Self {
            identity,
            feature_model,
            loaded,
            threads,
            places: Arc::new(Semaphore::new(jobs * (1 + WAITING_PER_JOB))),
            turns: Arc::new(Semaphore::new(jobs)),
        })
    }

    /// The networks, once they are loaded.
    async fn networks(&self) -> Result<Arc<Networks>, UpstreamError> {
        let mut loaded = self.loaded.clone();
        let outcome = match loaded.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone(),
            Err(_) => None,
        };
        outcome.unwrap_or_else(|| Err(lost())).map_err(unavailable)
    }

    /// Whether the classifier names its features, as far as that is known: a model that is being loaded may.
    pub fn has_features(&self) -> bool {
        match &*self.loaded.borrow() {
            Some(Ok(networks)) => networks.has_features(),
            _ => true,
        }
    }

    /// Runs networks on a picture in its turn.
    async fn in_turn<T: Send + 'static>(
        &self,
        picture: &dyn PictureSource,
        context: &CallContext,
        run: impl FnOnce(&Networks, &DecodedPicture) -> Result<T, TaggingError> + Send + 'static,
    ) -> Result<T, UpstreamError> {
        context.check()?;
        let busy = |_| UpstreamError::Busy { retry_after: None };
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(busy)?;
        let picture = picture.pixels(SIDE).await?;
        let networks = self.networks().await?;
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let turn = turn.map_err(|closed| unavailable(cause(closed)))?;
        context.check()?;
        self.work([place, turn], move || run(&networks, &picture))
            .await
    }

    /// Works off the threads that serve requests. The permits are released when it is done.
    async fn work<T: Send + 'static>(
        &self,
        permits: [OwnedSemaphorePermit; 2],
        run: impl FnOnce() -> Result<T, TaggingError> + Send + 'static,
    ) -> Result<T, UpstreamError> {
        let (sender, outcome) = oneshot::channel();
        self.threads.spawn(move || {
            let _permits = permits;
            // The receiver may be gone.
            let _ = sender.send(run());
        });
        outcome
            .await
            .map_err(|_| unavailable(cause("tagging the picture panicked")))?
            .map_err(|error| UpstreamError::Unreadable(cause(error)))
    }
}

/// Loading takes a good part of a second, in which the server is already up.
fn load_in_background(
    threads: &ThreadPool,
    files: ModelFiles,
    vocabulary: Vocabulary,
) -> watch::Receiver<Loaded> {
    let (sender, receiver) = watch::channel(None);
    threads.spawn(move || {
        let outcome = Networks::load(&files, vocabulary).map(Arc::new);
        if let Err(error) = &outcome {
            tracing::error!(%error, "the model of the local tagger cannot be loaded");
        }
        sender.send_replace(Some(outcome.map_err(cause)));
    });
    receiver
}

fn lost() -> Cause {
    cause("loading the model came to no end")
}

fn unavailable(source: Cause) -> UpstreamError {
    UpstreamError::Unavailable {
        retry_after: None,
        source,
    }
}

#[async_trait]
impl TagProvider for LocalTagger {
    fn identity(&self) -> &ProviderIdentity {
        &self.identity
    }

    fn max_side(&self) -> u32 {
        0
    }

    async fn prepare(&self, picture: &dyn PictureSource) -> Result<(), UpstreamError> {
        picture.pixels(SIDE).await.map(drop)
    }

    async fn tag(
        &self,
        picture: &dyn PictureSource,
        context: &CallContext,
    ) -> Result<Prediction, UpstreamError> {
        self.in_turn(picture, context, |networks, picture| networks.tag(picture))
            .await
    }

    async fn ready(&self) -> Result<(), UpstreamError> {
        match &*self.loaded.borrow() {
            Some(Ok(_)) => Ok(()),
            Some(Err(error)) => Err(unavailable(error.clone())),
            None if self.loaded.has_changed().is_err() => Err(unavailable(lost())),
            None => Err(unavailable(cause("the model is being loaded"))),
        }
    }

    fn quota(&self) -> Option<Quota> {
        None
    }
}

#[async_trait]
impl FeatureExtractor for LocalTagger {
    fn model(&self) -> &FeatureModel {
        &self.feature_model
    }

    async fn features(
        &self,
        picture: &dyn PictureSource,
        context: &CallContext,
    ) -> Result<Features, UpstreamError> {
        self.in_turn(picture, context, |networks, picture| {
            networks.features(picture)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::{
        borrow::Cow,
        sync::atomic::{AtomicBool, Ordering},
    };

    use domain::{MediaType, Picture};
    use domain_testing::FakePictureSource;

    use super::*;

    fn grey() -> FakePictureSource {
        FakePictureSource::of_pixels(Picture {
            media_type: MediaType::Png,
            width: 1,
            height: 1,
            scaled_width: 1,
            scaled_height: 1,
            pixels: vec![128; 3],
            as_uploaded: None,
        })
    }

    fn broken() -> ModelFiles {
        ModelFiles {
            detector: Cow::Borrowed(b"no network"),
            ..ModelFiles::embedded()
        }
    }

    #[tokio::test]
    async fn a_picture_waits_for_the_model() {
        let local = CallContext::local();
        let tagger = LocalTagger::start(ModelFiles::embedded(), Startup::Background).unwrap();
        let error = tagger.ready().await.unwrap_err();
        assert!(error.is_temporary(), "{error:?}");
        tagger.tag(&grey(), &local).await.unwrap();
        tagger.ready().await.unwrap();
    }

    #[tokio::test]
    async fn unusable_model_fails_every_call() {
        let error = LocalTagger::start(broken(), Startup::Now).unwrap_err();
        assert!(error.to_string().starts_with("detector.onnx: "), "{error}");
        let tagger = LocalTagger::start(broken(), Startup::Background).unwrap();
        let local = CallContext::local();
        for _ in 0..2 {
            let error = tagger.tag(&grey(), &local).await.unwrap_err();
            assert!(
                matches!(error, UpstreamError::Unavailable { .. }),
                "{error:?}"
            );
        }
        assert!(tagger.ready().await.is_err());
    }

    #[tokio::test]
    async fn full_queue_is_busy() {
        let local = CallContext::local();
        let tagger = LocalTagger::start_with(ModelFiles::embedded(), Startup::Now, 1).unwrap();
        let turn = tagger.turns.clone().acquire_owned().await.unwrap();
        let source = grey();
        let mut waiting: Vec<_> = (0..=WAITING_PER_JOB)
            .map(|_| tagger.tag(&source, &local))
            .collect();
        for tag in &mut waiting {
            assert!(futures(tag.as_mut()).await.is_none());
        }
        let error = tagger.tag(&source, &local).await.unwrap_err();
        assert!(matches!(error, UpstreamError::Busy { .. }), "{error:?}");
        waiting.clear();
        drop(turn);
        tagger.tag(&source, &local).await.unwrap();
    }

    #[tokio::test]
    async fn cancelled_call_leaves_the_queue() {
        let tagger = LocalTagger::start_with(ModelFiles::embedded(), Startup::Now, 1).unwrap();
        let turn = tagger.turns.clone().acquire_owned().await.unwrap();
        let is_gone = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&is_gone);
        let context = CallContext::cancelled_when(move || seen.load(Ordering::SeqCst));
        let source = grey();
        let mut call = tagger.tag(&source, &context);
        assert!(futures(call.as_mut()).await.is_none());
        is_gone.store(true, Ordering::SeqCst);
        drop(turn);
        let error = call.await.unwrap_err();
        assert!(matches!(error, UpstreamError::Cancelled), "{error:?}");
    }

    /// Polls once.
    async fn futures<F: Future + Unpin>(mut future: F) -> Option<F::Output> {
        std::future::poll_fn(move |context| {
            let poll = std::pin::Pin::new(&mut future).poll(context);
            std::task::Poll::Ready(match poll {
                std::task::Poll::Ready(output) => Some(output),
                std::task::Poll::Pending => None,
            })
        })
        .await
    }
}
