//! The web page, in a real browser: each test starts the binary, and `page/main.py` does what a visitor does.

use std::process::Command;

use upstream_fakes::Fakes;

use super::{
    database::Kind,
    server::{Server, run},
};

const ADMIN: &str = "an-admin-key-of-32-characters-!?";

fn variable(name: &str, what: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} names {what}; scripts/test makes one"))
}

/// Runs a scenario against a server of its own.
async fn visit(scenario: &str, variables: &[(&str, &str)], arguments: &[&str]) {
    let python = variable(
        "ETIQUETA_TEST_PYTHON",
        "a Python interpreter that has `playwright`",
    );
    let browser = variable("ETIQUETA_TEST_BROWSER", "the program of Chromium");
    let fakes = Fakes::start().await.unwrap();
    let mut settings = vec![("ETIQUETA__TAGGING__MIN_CONFIDENCE", "20")];
    settings.extend_from_slice(variables);
    let server = Server::start_with(Kind::Sqlite, fakes, &settings).await;
    let mut script = Command::new(python);
    script
        .arg("-B")
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/e2e/page/main.py"
        ))
        .args([scenario, &server.process.origin])
        .args(arguments)
        .env("ETIQUETA_TEST_BROWSER", browser);
    let (code, output, errors) = tokio::task::spawn_blocking(|| run(script)).await.unwrap();
    assert_eq!(code, 0, "{output}{errors}{}", server.process.log());
    assert_eq!(output.lines().last(), Some("ok"), "{output}");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_uploaded_by_every_way_in() {
    visit("uploads", &[], &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn heic_is_uploaded_and_shown() {
    visit("a_phone", &[], &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn look_alikes_and_duplicates_are_beside_an_image() {
    let variables = [("ETIQUETA__TAGGING__PROVIDER", "local")];
    let folder = tempfile::TempDir::new().unwrap();
    for (number, file) in super::look_alikes::variants("rocket").iter().enumerate() {
        let path = folder.path().join(format!("rocket-{number}"));
        std::fs::write(path, file).unwrap();
    }
    let folder = folder.path().to_str().unwrap();
    visit("look_alikes", &variables, &[folder]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_uploaded_with_what_is_below_it() {
    let folder = tempfile::TempDir::new().unwrap();
    visit("a_folder", &[], &[folder.path().to_str().unwrap()]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_files_leave_the_page_usable() {
    visit("a_hundred_files", &[], &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_obey_a_busy_server() {
    visit("a_busy_server", &[], &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_too_large_is_refused_once() {
    let variables = [("ETIQUETA__LIMITS__IMAGE_BYTES", "1000000")];
    visit("a_file_that_is_too_large", &variables, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn searches_are_cut_into_terms() {
    visit("terms", &[], &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn searches_are_completed_kept_and_corrected() {
    visit("search", &[], &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_image_is_shown_and_left_by_keys_and_swipes() {
    visit("one_image", &[], &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tags_are_shown_with_their_use() {
    visit("tags_view", &[], &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_open_the_page_of_a_closed_server() {
    let variables = [
        ("ETIQUETA__AUTH__REQUIRED", "true"),
        ("ETIQUETA__AUTH__ADMIN_KEY", ADMIN),
    ];
    visit("keys", &variables, &[ADMIN]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_speaks_spanish() {
    visit("spanish", &[], &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_are_spanish_on_a_spanish_page() {
    visit("spanish_tags", &[], &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_theme_is_that_of_the_system_or_chosen() {
    visit("themes", &[], &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_works_below_a_prefix() {
    let variables = [
        ("ETIQUETA__AUTH__REQUIRED", "false"),
        ("ETIQUETA__SERVER__TRUSTED_PROXIES", "127.0.0.1"),
    ];
    visit("below_a_prefix", &variables, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_comes_back_finds_the_uploads_waiting() {
    let variables = [
        ("ETIQUETA__AUTH__REQUIRED", "false"),
        ("ETIQUETA__SERVER__TRUSTED_PROXIES", "127.0.0.1"),
    ];
    visit("away_and_back", &variables, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_http_beyond_loopback_is_enough() {
    visit("plain_http", &[], &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_images_scroll_smoothly() {
    visit("ten_thousand", &[], &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_view_has_a_finding_of_accessibility() {
    visit("accessible", &[], &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_comes_from_elsewhere() {
    visit("first_paint", &[], &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_are_added_rejected_and_brought_back() {
    visit("correct", &[], &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_can_be_taken_back_for_ten_seconds() {
    visit("deletion", &[], &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_images_are_changed_together() {
    visit("many", &[], &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn images_are_ordered_by_the_time_of_taking() {
    visit("order", &[], &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_a_search_finds_is_changed_together() {
    visit("everything", &[], &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_listed_watched_and_stopped() {
    visit("jobs", &[], &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rules_of_a_tag_are_changed_and_applied() {
    visit("rules", &[], &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_images_are_changed_in_spanish() {
    visit("spanish_jobs", &[], &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_entered_over_plain_http() {
    let variables = [
        ("ETIQUETA__AUTH__REQUIRED", "writes"),
        ("ETIQUETA__AUTH__ADMIN_KEY", ADMIN),
    ];
    visit("plain_http_with_keys", &variables, &[ADMIN]).await;
}
