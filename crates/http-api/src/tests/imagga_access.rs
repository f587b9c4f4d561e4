//! Imagga's interface: keys as passwords, pages of other sites.

use domain::{Scope, service::AdminKey};
use reqwest::{Method, RequestBuilder};

use super::{
    access::key,
    imagga::{refused, success},
    test_server::{TestServer, picture, problem},
};
use crate::{KeyPolicy, Origin};

const ADMIN_KEY: &str = "an-admin-key-of-32-characters-!?";

fn start(policy: KeyPolicy) -> TestServer {
    TestServer::with(|setup| {
        setup.settings.keys = policy;
        setup.admin_key = Some(AdminKey::parse(ADMIN_KEY).unwrap());
    })
}

fn post(server: &TestServer) -> RequestBuilder {
    let part = reqwest::multipart::Part::bytes(picture("x").to_vec()).file_name("a.jpg");
    let form = reqwest::multipart::Form::new().part("image", part);
    server.request(Method::POST, "/v2/tags").multipart(form)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_password_is_the_key_and_the_user_is_ignored() {
    let server = start(KeyPolicy::Everything);
    let tag = key(&server, &[Scope::Tag]).await;
    for password in [tag.as_str(), ADMIN_KEY] {
        for user in ["acc_0123", ""] {
            let sent = post(&server).basic_auth(user, Some(password)).send();
            success(sent.await.unwrap()).await;
        }
    }
    let (text, headers) = refused(post(&server), 401).await;
    assert!(text.contains("password"), "{text}");
    let schemes: Vec<_> = headers.get_all("www-authenticate").iter().collect();
    assert_eq!(schemes, ["Bearer", "Basic realm=\"Etiqueta\""]);
    let wrong = post(&server).basic_auth(&tag, Some("acc_secret"));
    refused(wrong, 401).await;
    let user_alone = post(&server).basic_auth(&tag, None::<&str>);
    refused(user_alone, 401).await;
    let read = key(&server, &[Scope::Read]).await;
    let (text, _) = refused(post(&server).basic_auth("a", Some(&read)), 403).await;
    assert!(text.contains("`tag`"), "{text}");
    let usage = server.request(Method::GET, "/v2/usage");
    success(usage.basic_auth("a", Some(&read)).send().await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_in_another_header_comes_first() {
    let server = start(KeyPolicy::Everything);
    let tag = key(&server, &[Scope::Tag]).await;
    let proxied = post(&server).basic_auth("proxy", Some("secret"));
    success(proxied.header("x-api-key", &tag).send().await.unwrap()).await;
    let proxied = post(&server).basic_auth("proxy", Some(&tag));
    refused(proxied.header("x-api-key", "etq_wrong"), 401).await;
}

/// Old programs send what they have for Imagga.
#[tokio::test(flavor = "multi_thread")]
async fn other_passwords_count_only_where_a_key_is_required() {
    for policy in [KeyPolicy::Nothing, KeyPolicy::Changes] {
        let server = start(policy);
        for password in ["acc_secret", "", "etq_wrong"] {
            let sent = post(&server).basic_auth("acc_0123", Some(password)).send();
            success(sent.await.unwrap()).await;
        }
        let wrong = post(&server).bearer_auth("acc_secret");
        refused(wrong, 401).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn elsewhere_a_password_is_no_key() {
    let server = start(KeyPolicy::Everything);
    let admin = key(&server, &[Scope::Admin]).await;
    for path in ["/tags", "/keys", "/images"] {
        let request = server.request(Method::GET, path);
        let response = request.basic_auth("a", Some(&admin)).send().await.unwrap();
        problem(response, 401, "unauthenticated").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_counted_by_key() {
    let server = TestServer::with(|setup| {
        setup.settings.requests_per_minute = 2;
        setup.admin_key = Some(AdminKey::parse(ADMIN_KEY).unwrap());
    });
    let usage = || server.request(Method::GET, "/v2/usage");
    for _ in 0..2 {
        success(usage().send().await.unwrap()).await;
    }
    let (_, headers) = refused(usage(), 429).await;
    assert!(headers.contains_key("retry-after"));
    let by_key = usage().basic_auth("a", Some(ADMIN_KEY)).send();
    success(by_key.await.unwrap()).await;
}

/// Its tags, asked for with these headers; `HOST` in a value is the server's own.
fn get(server: &TestServer, headers: &[(&str, &str)]) -> RequestBuilder {
    let path = "/v2/tags?image_base64=QQ";
    let host = server.address.to_string();
    let request = server.request(Method::GET, path);
    headers.iter().fold(request, |request, (name, value)| {
        request.header(*name, value.replace("HOST", &host))
    })
}

#[rstest::rstest]
#[case(&[("sec-fetch-site", "cross-site")])]
#[case(&[("sec-fetch-site", "same-site"), ("referer", "http://HOST/")])]
#[case(&[("origin", "http://evil.example")])]
#[case(&[("origin", "null"), ("referer", "http://HOST/")])]
#[case(&[("referer", "http://evil.example/page")])]
#[case(&[("referer", "https://evil.example/?http://HOST/")])]
#[case(&[("referer", "about:blank")])]
#[case(&[("referer", "http://127.0.0.1:1/")])]
#[case(&[("referer", "http://evil.example/"), ("authorization", "Basic dTpw")])]
#[tokio::test(flavor = "multi_thread")]
async fn pages_of_other_sites_cause_no_tagging(#[case] headers: &[(&str, &str)]) {
    let server = TestServer::start();
    let (text, _) = refused(get(&server, headers), 403).await;
    assert!(text.contains("server.cors_origins"), "{text}");
    let by_other_path = server.request(Method::GET, "/v2/%74ags?image_base64=QQ");
    let by_other_path = headers
        .iter()
        .fold(by_other_path, |request, (name, value)| {
            request.header(*name, value.replace("HOST", &server.address.to_string()))
        });
    let status = by_other_path.send().await.unwrap().status();
    assert!(matches!(status.as_u16(), 403 | 404), "{status}");
    let head = get(&server, headers).build().unwrap();
    let mut head = reqwest::Request::new(Method::HEAD, head.url().clone());
    head.headers_mut()
        .insert("sec-fetch-site", "cross-site".parse().unwrap());
    let response = reqwest::Client::builder()
        .no_proxy()
        .build()
        .unwrap()
        .execute(head);
    assert_eq!(response.await.unwrap().status(), 403);
}

/// `QQ` is no picture, which is found out behind the check.
#[rstest::rstest]
#[case(&[])]
#[case(&[("referer", "http://HOST/ui/")])]
#[case(&[("referer", "https://HOST/ui/")])]
#[case(&[("origin", "http://HOST"), ("referer", "http://evil.example/")])]
#[case(&[("sec-fetch-site", "same-origin"), ("referer", "http://evil.example/")])]
#[case(&[("sec-fetch-site", "none")])]
#[tokio::test(flavor = "multi_thread")]
async fn its_own_pages_and_other_programs_pass(#[case] headers: &[(&str, &str)]) {
    let server = TestServer::start();
    refused(get(&server, headers), 400).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listed_site_and_a_key_pass() {
    let server = TestServer::with(|setup| {
        setup.settings.cors_origins = vec![Origin::parse("https://photos.example.com").unwrap()];
        setup.admin_key = Some(AdminKey::parse(ADMIN_KEY).unwrap());
    });
    let cross_site = ("sec-fetch-site", "cross-site");
    let listed = ("referer", "https://photos.example.com/album/1");
    refused(get(&server, &[cross_site, listed]), 400).await;
    let other = ("referer", "https://photos.example.com.evil.example/");
    refused(get(&server, &[cross_site, other]), 403).await;
    let foreign = ("origin", "https://evil.example");
    refused(get(&server, &[cross_site, listed, foreign]), 403).await;
    refused(get(&server, &[cross_site, ("x-api-key", ADMIN_KEY)]), 400).await;
}
