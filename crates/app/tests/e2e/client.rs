//! The calls of the README's examples, made by Python's `requests`.

use std::{fs, process::Command};

use rstest::rstest;

use super::{
    database::Kind,
    pictures::jpeg,
    server::{Server, run},
};

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test(flavor = "multi_thread")]
async fn a_python_client_makes_the_calls_of_the_readme(#[case] kind: Kind) {
    let python = std::env::var("ETIQUETA_TEST_PYTHON").expect(
        "ETIQUETA_TEST_PYTHON names a Python interpreter that has `requests`; scripts/test makes one",
    );
    let server = Server::start(kind).await;
    let picture = server.folder.path().join("picture.jpg");
    fs::write(&picture, jpeg(1)).unwrap();
    let mut client = Command::new(python);
    client.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/client.py"));
    client.arg(&server.process.origin).arg(&picture);
    let (code, output, errors) = run(client);
    assert_eq!(code, 0, "{output}{errors}{}", server.process.log());
    assert_eq!(output.lines().last(), Some("ok"), "{output}");
}
