//! `etiqueta import --from-flask`: a database made by the statements of the Flask program.

use mysql_async::{Params, prelude::Queryable};

use super::*;

/// The statements of the Flask program.
const TABLES: [&str; 2] = [
    "create table pictures (id VARCHAR(36) PRIMARY KEY, path VARCHAR(256) NOT NULL, \
     date VARCHAR(25) NOT NULL, size INT)",
    "create table tags (tag VARCHAR(32), picture_id VARCHAR(36), confidence INT NOT NULL, \
     date VARCHAR(25) NOT NULL, PRIMARY KEY (tag, picture_id), \
     FOREIGN KEY (picture_id) REFERENCES pictures(id))",
];

/// The database and the folder of a Flask program.
struct Flask {
    database: Database,
    session: mysql_async::Conn,
    images: TempDir,
}

impl Flask {
    async fn create() -> Self {
        let images = TempDir::new().unwrap();
        let database = Database::create(Kind::Mysql, images.path()).await;
        let mut session = database.session().await;
        // So that labels may differ by their case alone.
        let name = "ALTER DATABASE CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";
        session.query_drop(name).await.unwrap();
        for statement in TABLES {
            session.query_drop(statement).await.unwrap();
        }
        Self {
            database,
            session,
            images,
        }
    }

    async fn picture(&mut self, id: &str, date: &str, tags: &[(&str, i64)]) {
        let path = format!("/app/Images/img_{id}");
        let row = (id, path, date, 1);
        let statement = "INSERT INTO pictures (id,path,date,size) VALUES (?, ?, ?, ?)";
        self.session.exec_drop(statement, row).await.unwrap();
        let rows = tags
            .iter()
            .map(|(tag, confidence)| Params::from((*tag, id, *confidence, date)));
        let statement = "INSERT INTO tags (tag,picture_id,confidence,date) VALUES (?, ?, ?, ?)";
        self.session.exec_batch(statement, rows).await.unwrap();
    }

    fn file(&self, id: &str, bytes: &[u8]) {
        fs::write(self.images.path().join(format!("img_{id}")), bytes).unwrap();
    }

    /// All that is in the database, for comparison.
    async fn content(&mut self) -> String {
        let pictures: Vec<(String, String, String, i64)> = self
            .session
            .query("SELECT id, path, date, size FROM pictures ORDER BY id")
            .await
            .unwrap();
        let tags: Vec<(String, String, i64)> = self
            .session
            .query("SELECT picture_id, tag, confidence FROM tags ORDER BY picture_id, tag")
            .await
            .unwrap();
        let names: Vec<_> = fs::read_dir(self.images.path()).unwrap().collect();
        format!("{pictures:?}{tags:?}{}", names.len())
    }

    fn import(&self, store: &Store, more: &[&str]) -> (i32, Vec<Value>, Value, String) {
        let images = self.images.path().to_str().unwrap();
        let arguments = ["--from-flask", self.database.url(), "--images", images];
        store.import(&[&arguments[..], more].concat())
    }
}

/// An id of the Flask program.
fn id(number: u32) -> String {
    format!("7e0a214c-8f7e-44c3-bdc6-{number:012x}")
}

async fn rows_of_every_kind() -> Flask {
    let mut flask = Flask::create().await;
    let good = "2024-01-11 08:00:05";
    flask
        .picture(
            &id(1),
            good,
            &[("Car", 61), ("car", 70), ("motor vehicle", 55)],
        )
        .await;
    flask
        .picture(
            &id(2),
            "2024-07-11 08:00:05",
            &[("dog", 90), ("cat", 101), ("cow", -1)],
        )
        .await;
    flask.picture(&id(3), good, &[]).await;
    flask.picture(&id(4), good, &[("lost", 90)]).await;
    flask.picture(&id(5), good, &[("cut", 90)]).await;
    flask.picture("no-uuid", good, &[("dog", 90)]).await;
    flask
        .picture(&id(6), "2024-02-30 08:00:05", &[("dog", 90)])
        .await;
    flask.picture(&id(7), "soon", &[("dog", 90)]).await;
    for (number, bytes) in [
        (1, jpeg(1)),
        (2, jpeg(2)),
        (3, jpeg(3)),
        (6, jpeg(6)),
        (7, jpeg(7)),
    ] {
        flask.file(&id(number), &bytes);
    }
    flask.file("no-uuid", &jpeg(8));
    flask.file(&id(5), &jpeg(5)[..300]);
    flask
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test(flavor = "multi_thread")]
async fn pictures_keep_their_ids_dates_and_tags(#[case] kind: Kind) {
    let mut flask = rows_of_every_kind().await;
    let before = flask.content().await;
    let mut store = Store::create(kind).await;
    let (code, lines, summary, errors) = flask.import(&store, &["--timezone", "Europe/Madrid"]);
    assert_eq!(code, 1, "{errors}");
    assert_eq!(counts(&summary), [3, 0, 0, 5], "{lines:?}");
    let reported = |name: &str| {
        let of_picture = |line: &&Value| line["file"].as_str().unwrap().contains(name);
        lines.iter().find(of_picture).unwrap()
    };
    let error = |name: &str| reported(name)["error"].as_str().unwrap();
    assert!(error(&id(4)).contains("its file is not in"), "{lines:?}");
    assert!(error(&id(5)).contains("the JPEG is truncated"), "{lines:?}");
    assert!(error("no-uuid").contains("is a UUID"), "{lines:?}");
    assert!(error(&id(6)).contains("does not exist"), "{lines:?}");
    assert!(error(&id(7)).contains("YYYY-MM-DD HH:MM:SS"), "{lines:?}");
    let notes = reported(&id(2))["notes"].as_array().unwrap();
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!(
        notes
            .iter()
            .any(|it| it.as_str().unwrap().contains("\"cow\""))
    );

    // Again, and with a file that was put right.
    flask.file(&id(5), &jpeg(5));
    let (code, _, summary, _) = flask.import(&store, &["--timezone", "Europe/Madrid"]);
    assert_eq!((code, counts(&summary)), (1, [1, 3, 0, 4]));
    assert_eq!(store.calls(), 0);
    assert_eq!(flask.content().await, before, "nothing is written there");

    let server = store.serve().await;
    let image = server.json(&format!("/image/{}", id(1))).await;
    assert_eq!(image["date"], "2024-01-11 07:00:05");
    let tags = serde_json::json!([
        {"tag": "car", "confidence": 70.0}, {"tag": "motor vehicle", "confidence": 55.0}
    ]);
    assert_eq!(image["tags"], tags);
    let tags = server.json(&format!("/image/{}/tags", id(1))).await;
    assert_eq!(tags["tags"][0]["source"], "provider");
    assert_eq!(tags["tags"][0]["provider"], "imagga");
    let info = server.json(&format!("/image/{}/info", id(1))).await;
    assert_eq!(info["min_confidence"], 55.0);
    assert_eq!(info["file_name"], format!("img_{}", id(1)));
    let summer = server.json(&format!("/image/{}", id(2))).await;
    assert_eq!(summer["date"], "2024-07-11 06:00:05");
    let info = server.json(&format!("/image/{}/info", id(2))).await;
    assert_eq!(info["min_confidence"], 80.0);
    assert_eq!(server.json("/images").await.as_array().unwrap().len(), 4);
    assert_eq!(
        server.json("/tags?min_date=2024-01-01").await[0]["n_images"],
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_of_another_picture_is_told_and_the_folder_not_imported_twice() {
    let mut flask = Flask::create().await;
    flask
        .picture(&id(1), "2024-01-11 08:00:05", &[("dog", 90)])
        .await;
    flask.file(&id(1), &jpeg(1));
    let store = Store::create(Kind::Sqlite).await;
    let (code, _, summary, errors) = flask.import(&store, &[]);
    assert_eq!((code, counts(&summary)), (0, [1, 0, 0, 0]), "{errors}");
    let images = flask.images.path().to_str().unwrap();
    let (_, _, summary, errors) = store.import(&[images]);
    assert_eq!(counts(&summary), [0, 1, 0, 0], "{errors}");
    flask.file(&id(1), &jpeg(2));
    let (code, lines, summary, _) = flask.import(&store, &[]);
    assert_eq!((code, counts(&summary)), (1, [0, 0, 0, 1]));
    let error = lines[0]["error"].as_str().unwrap();
    let expected = format!("another picture has the id {} here", id(1));
    assert_eq!(error, expected);
}

/// Pages are read by their keys, however many there are, and a database without the tables is an error.
#[tokio::test(flavor = "multi_thread")]
async fn all_pages_are_read_and_another_database_is_told() {
    let mut flask = Flask::create().await;
    for number in 0..450 {
        flask
            .picture(&id(number), "2024-01-11 08:00:05", &[("dog", 90)])
            .await;
        flask.file(&id(number), &jpeg(u8::try_from(number % 5).unwrap()));
    }
    let store = Store::create(Kind::Sqlite).await;
    let (code, _, summary, errors) = flask.import(&store, &[]);
    assert_eq!((code, counts(&summary)), (0, [450, 0, 0, 0]), "{errors}");
    flask.session.query_drop("DROP TABLE tags").await.unwrap();
    let images = flask.images.path().to_str().unwrap();
    let arguments = ["--from-flask", flask.database.url(), "--images", images];
    let (code, _, errors) = run(store.command(&arguments));
    assert_eq!(code, 1);
    let last = errors.lines().last().unwrap();
    assert!(
        last.contains("reading the Flask program's pictures"),
        "{errors}"
    );
    flask
        .session
        .query_drop("DROP TABLE pictures")
        .await
        .unwrap();
    let (code, _, errors) = run(store.command(&arguments));
    assert_eq!((code, errors.lines().count()), (1, 1), "{errors}");
}
