//! Databases for tests, one for each test.

use std::{path::Path, process::Command};

use mysql_async::prelude::Queryable;
use uuid::Uuid;

/// Which database a test runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Sqlite,
    Mysql,
}

/// A database that is dropped with this.
pub enum Database {
    Sqlite(String),
    Mysql { url: String, name: String },
}

impl Database {
    /// Creates an empty one. SQLite's file is in `folder`.
    pub async fn create(kind: Kind, folder: &Path) -> Self {
        if kind == Kind::Sqlite {
            return Self::Sqlite(format!(
                "sqlite://{}",
                folder.join("data/etiqueta.db").display()
            ));
        }
        let name = format!("etiqueta_{}", Uuid::new_v4().simple());
        execute(&server_url(), &format!("CREATE DATABASE `{name}`")).await;
        let mut url = url::Url::parse(&server_url()).expect("ETIQUETA_TEST_MYSQL_URL is a URL");
        url.set_path(&name);
        Self::Mysql {
            url: url.into(),
            name,
        }
    }

    pub fn kind(&self) -> Kind {
        match self {
            Self::Sqlite(_) => Kind::Sqlite,
            Self::Mysql { .. } => Kind::Mysql,
        }
    }

    /// Its URL, in the form of the settings.
    pub fn url(&self) -> &str {
        match self {
            Self::Sqlite(url) | Self::Mysql { url, .. } => url,
        }
    }

    /// Executes a statement, for tests that prepare or break something.
    pub async fn execute(&self, statement: &str) {
        match self {
            Self::Mysql { url, .. } => execute(url, statement).await,
            Self::Sqlite(url) => execute_in_file(url.trim_start_matches("sqlite://"), statement),
        }
    }
}

impl Database {
    /// A session, for tests that hold locks.
    pub async fn session(&self) -> mysql_async::Conn {
        let options = mysql_async::Opts::from_url(self.url()).expect("a mysql:// URL");
        mysql_async::Conn::new(options)
            .await
            .expect("the server answers")
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Self::Mysql { name, .. } = self {
            let statement = format!("DROP DATABASE IF EXISTS `{name}`");
            let dropped = std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build();
                runtime
                    .unwrap()
                    .block_on(execute(&server_url(), &statement));
            });
            let _ = dropped.join();
        }
    }
}

fn server_url() -> String {
    std::env::var("ETIQUETA_TEST_MYSQL_URL").expect(
        "ETIQUETA_TEST_MYSQL_URL names a MySQL or MariaDB server where databases etiqueta_... may \
         be made; scripts/test starts one",
    )
}

/// Uses Python, which bundles SQLite: the tests link none of their own.
fn execute_in_file(file: &str, statement: &str) {
    const SCRIPT: &str = "import sqlite3, sys; connection = sqlite3.connect(sys.argv[1]); \
        connection.execute(sys.argv[2]); connection.commit()";
    let python = std::env::var("ETIQUETA_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let output = Command::new(python)
        .args(["-c", SCRIPT, file, statement])
        .output()
        .expect("there is a Python");
    assert!(output.status.success(), "{output:?}");
}

async fn execute(url: &str, statement: &str) {
    let options = mysql_async::Opts::from_url(url).expect("a mysql:// URL");
    let mut connection = mysql_async::Conn::new(options)
        .await
        .expect("the server answers");
    connection
        .query_drop(statement)
        .await
        .expect("the statement is right");
    let _ = connection.disconnect().await;
}
