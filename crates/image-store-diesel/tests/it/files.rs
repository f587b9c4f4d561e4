//! The migrations in the repository.

use std::{fs, path::Path};

/// A migration: Diesel's version, and the statement.
pub(crate) struct Migration {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) sql: String,
}

/// The migrations of `mysql` or `sqlite`, in order.
pub(crate) fn migrations(folder: &str) -> Vec<Migration> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations");
    let mut migrations: Vec<Migration> = fs::read_dir(root.join(folder))
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let (version, _) = name.split_once('_').unwrap();
            Migration {
                version: version.replace('-', ""),
                sql: fs::read_to_string(path.join("up.sql")).unwrap(),
                name,
            }
        })
        .collect();
    migrations.sort_by(|a, b| a.name.cmp(&b.name));
    migrations
}

pub(crate) fn names(migrations: &[Migration]) -> Vec<String> {
    migrations.iter().map(|m| m.name.clone()).collect()
}

#[test]
fn a_migration_is_one_statement_that_may_run_twice() {
    for migration in ["mysql", "sqlite"].into_iter().flat_map(migrations) {
        let code: String = migration
            .sql
            .lines()
            .filter(|line| !line.starts_with("--"))
            .collect();
        let name = &migration.name;
        // The body of a trigger ends with one more.
        let body = usize::from(code.contains("CREATE TRIGGER"));
        assert_eq!(code.matches(';').count(), 1 + body, "{name}");
        let may_run_twice = [
            "IF NOT EXISTS",
            "INSERT IGNORE INTO",
            "INSERT OR IGNORE INTO",
        ]
        .iter()
        .any(|words| code.contains(&format!("{words} etiqueta_")));
        // Commas in brackets divide no actions.
        let (head, rest) = code.split_once('(').unwrap_or((&code, ""));
        let tail = rest.rsplit_once(')').map_or(rest, |(_, tail)| tail);
        let is_one_action = !head.contains(',') && !tail.contains(',');
        let adds_something = code.starts_with("ALTER TABLE etiqueta_")
            && [
                " ADD COLUMN ",
                " ADD KEY etiqueta_",
                " ADD UNIQUE KEY etiqueta_",
            ]
            .iter()
            .any(|action| head.contains(action))
            && is_one_action;
        let drops_a_key = code.starts_with("ALTER TABLE etiqueta_")
            && code.contains(" DROP FOREIGN KEY etiqueta_")
            && !code.contains(',');
        assert!(may_run_twice || adds_something || drops_a_key, "{name}");
    }
}
