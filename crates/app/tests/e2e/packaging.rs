//! What packages and service managers need: readiness, health, manual pages, completions.

use std::{fs, net::TcpListener, os::unix::net::UnixDatagram, time::Duration};

use rstest::rstest;
use tempfile::TempDir;

use super::server::{Process, command, run};

#[test]
fn systemd_is_told_of_the_start_and_of_the_end() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let told = || {
        let mut message = [0; 256];
        let length = socket.recv(&mut message).unwrap();
        String::from_utf8(message[..length].to_vec()).unwrap()
    };
    let mut command = command(folder.path());
    command.env("NOTIFY_SOCKET", &path);
    let mut process = Process::start(command);
    assert_eq!(told().trim(), "READY=1");
    process.signal("TERM");
    assert_eq!(told().trim(), "STOPPING=1");
    assert_eq!(process.wait(Duration::from_secs(20)).code(), Some(0));
}

#[test]
fn healthcheck_tells_whether_the_server_answers() {
    let folder = TempDir::new().unwrap();
    let asked = |port: &str| {
        let mut command = command(folder.path());
        command.arg("healthcheck");
        command.env("ETIQUETA__SERVER__PORT", port);
        command.env("ETIQUETA__SERVER__BIND", "0.0.0.0");
        run(command)
    };
    let process = Process::start(command(folder.path()));
    let port = process.origin.rsplit(':').next().unwrap().to_owned();
    assert_eq!(asked(&port), (0, String::new(), String::new()));
    drop(process);
    let (code, _, errors) = asked(&port);
    assert_eq!((code, errors.lines().count()), (1, 1), "{errors}");
    assert!(errors.contains(&format!("127.0.0.1:{port}")), "{errors}");
    // Something that takes connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port().to_string();
    assert_eq!(asked(&port).0, 1);
}

#[test]
fn every_command_has_a_manual_page() {
    let folder = TempDir::new().unwrap();
    let mut writing = command(folder.path());
    writing.args(["man", "pages"]);
    assert_eq!(run(writing), (0, String::new(), String::new()));
    for name in ["etiqueta.1", "etiqueta-import.1", "etiqueta-key-create.1"] {
        let page = fs::read_to_string(folder.path().join("pages").join(name)).unwrap();
        assert!(
            page.starts_with(".ie") || page.contains(".TH"),
            "{name}: {page}"
        );
    }
}

#[rstest]
#[case("bash")]
#[case("zsh")]
#[case("fish")]
fn completions_know_the_commands(#[case] shell: &str) {
    let folder = TempDir::new().unwrap();
    let mut printing = command(folder.path());
    printing.args(["completions", shell]);
    let (code, output, errors) = run(printing);
    assert_eq!((code, errors.as_str()), (0, ""));
    for word in ["vocabulary", "backup", "from-flask"] {
        assert!(output.contains(word), "{word}");
    }
}
