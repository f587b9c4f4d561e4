//! The key policy, and the initial admin key of a store.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use anyhow::Context;
use domain::{
    KeyName, KeySecret, Scopes,
    service::{AdminKey, KeyRequest, Keys},
};
use http_api::KeyPolicy;
use secrecy::ExposeSecret;

use crate::settings::{KeysRequired, Settings};

/// The name of the first key.
const FIRST: &str = "first start";

/// The permissions of its file: for the server's account alone, whatever `server.umask` says.
const MODE: u32 = 0o600;

/// The key policy of the settings.
pub fn policy(settings: &Settings) -> KeyPolicy {
    match settings.auth.required {
        KeysRequired::Never => KeyPolicy::Nothing,
        KeysRequired::Auto if is_private(settings) => KeyPolicy::Nothing,
        KeysRequired::Auto | KeysRequired::Writes => KeyPolicy::Changes,
        KeysRequired::Always => KeyPolicy::Everything,
    }
}

/// Whether only programs on this machine can reach the server, directly.
pub fn is_private(settings: &Settings) -> bool {
    let server = &settings.server;
    server.bind.to_canonical().is_loopback() && server.trusted_proxies.is_empty()
}

/// The admin key of the settings.
pub fn admin_key(settings: &Settings) -> Option<AdminKey> {
    let key = settings.auth.admin_key.as_ref()?;
    // The reader of the settings has refused all others.
    AdminKey::parse(key.expose_secret()).ok()
}

/// Logs what other machines may do without a key; as a warning if that is everything.
pub fn tell_of_openness(settings: &Settings) {
    if is_private(settings) {
        return;
    }
    match policy(settings) {
        KeyPolicy::Everything => {}
        KeyPolicy::Nothing => tracing::warn!(
            "auth.required is false: every client that reaches the server may read, register, change and remove images; \
             set it to writes or true, and see `etiqueta key create`"
        ),
        KeyPolicy::Changes => tracing::info!(
            "every client that reaches the server may register, tag and read images; changing and removing takes a key. \
             auth.required = true closes the rest"
        ),
    }
}

/// Creates an admin key in a store without keys, and saves it to a file.
pub struct FirstKey {
    keys: Keys,
    file: PathBuf,
}

impl FirstKey {
    /// Saves the key to `file`.
    pub fn new(keys: Keys, file: PathBuf) -> Self {
        Self { keys, file }
    }

    /// Creates the key if the store has none. Failures are only logged, as `etiqueta key create` is the alternative.
    pub async fn leave(&self) {
        match self.try_leave().await {
            Ok(false) => {}
            Ok(true) => tracing::warn!(
                file = %self.file.display(),
                "there was no API key: an admin key is in this file; keep it somewhere safe and remove the file"
            ),
            Err(error) => tracing::warn!(
                error = format!("{error:#}"),
                "there is no API key, and none was made: use `etiqueta key create`"
            ),
        }
    }

    /// Returns whether a key was created. The file is written first, so that the secret cannot be lost.
    async fn try_leave(&self) -> anyhow::Result<bool> {
        if !self.keys.list().await?.is_empty() {
            return Ok(false);
        }
        let secret = KeySecret::random()?;
        write_new(&self.file, &secret)
            .with_context(|| format!("writing {}", self.file.display()))?;
        let request = KeyRequest {
            name: KeyName::parse(FIRST)?,
            scopes: Scopes::admin(),
            expires_at: None,
        };
        if let Err(error) = self.keys.create_with(request, &secret).await {
            let _ = fs::remove_file(&self.file);
            return Err(error.into());
        }
        Ok(true)
    }
}

/// Writes a new file. Fails if it exists: it may hold a revoked key.
fn write_new(path: &Path, secret: &KeySecret) -> io::Result<()> {
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        fs::create_dir_all(folder)?;
    }
    let mut options = OpenOptions::new();
    let mut file: File = options.write(true).create_new(true).mode(MODE).open(path)?;
    writeln!(file, "{}", secret.expose())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::PermissionsExt, sync::Arc};

    use domain::ports::KeyStore;
    use domain_testing::{FakeDatabase, TestClock};

    use super::*;
    use crate::settings::Environment;

    fn settings(variables: &[(&str, &str)]) -> Settings {
        let variables = variables
            .iter()
            .map(|(name, value)| (format!("ETIQUETA__{name}").into(), (*value).into()));
        let environment = Environment {
            folder: PathBuf::from("/nowhere"),
            variables: variables.collect(),
            ..Environment::default()
        };
        Settings::load(&environment).unwrap().settings
    }

    #[rstest::rstest]
    #[case(&[], KeyPolicy::Nothing)]
    #[case(&[("SERVER__BIND", "::1")], KeyPolicy::Nothing)]
    #[case(&[("SERVER__BIND", "::ffff:127.0.0.1")], KeyPolicy::Nothing)]
    #[case(&[("SERVER__BIND", "0.0.0.0")], KeyPolicy::Changes)]
    #[case(&[("SERVER__BIND", "::")], KeyPolicy::Changes)]
    #[case(&[("SERVER__BIND", "192.168.1.20")], KeyPolicy::Changes)]
    #[case(&[("SERVER__TRUSTED_PROXIES", "127.0.0.1")], KeyPolicy::Changes)]
    #[case(&[("AUTH__REQUIRED", "false"), ("SERVER__BIND", "::")], KeyPolicy::Nothing)]
    #[case(&[("AUTH__REQUIRED", "writes")], KeyPolicy::Changes)]
    #[case(&[("AUTH__REQUIRED", "true")], KeyPolicy::Everything)]
    fn auto_is_open_on_this_machine_alone(
        #[case] variables: &[(&str, &str)],
        #[case] expected: KeyPolicy,
    ) {
        assert_eq!(policy(&settings(variables)), expected);
    }

    fn first_key(file: &Path) -> (Arc<FakeDatabase>, FirstKey) {
        let store = Arc::new(FakeDatabase::default());
        let keys = Keys::new(store.clone(), Arc::new(TestClock::default()));
        (store, FirstKey::new(keys, file.to_owned()))
    }

    #[tokio::test]
    async fn an_empty_store_gets_an_admin_key_in_a_file_for_the_owner() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("data/admin.key");
        let (store, first) = first_key(&file);
        assert!(first.try_leave().await.unwrap());
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let text = fs::read_to_string(&file).unwrap();
        let key = store.keys().await.unwrap().remove(0);
        assert_eq!(key.digest, domain::SecretDigest::of(text.trim_end()));
        assert_eq!(key.scopes, Scopes::admin());
        // Once there is a key, no other is made.
        fs::remove_file(&file).unwrap();
        assert!(!first.try_leave().await.unwrap());
        assert!(!file.exists());
    }

    /// It may hold a revoked key.
    #[tokio::test]
    async fn a_file_that_is_there_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("admin.key");
        fs::write(&file, "old").unwrap();
        let (store, first) = first_key(&file);
        assert!(first.try_leave().await.is_err());
        first.leave().await;
        assert_eq!(fs::read_to_string(&file).unwrap(), "old");
        assert!(store.keys().await.unwrap().is_empty());
    }
}
