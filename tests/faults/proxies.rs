//! What stands between: proxies on the way to the registry, and proxies in front of the service.

use std::{collections::HashMap, process::Command};

use crate::{
    registry::Registry,
    support::{PLAIN, Process, alone, exchange, forge, layout, release},
};

/// The variables that lead to proxies, in both spellings.
const VARIABLES: [&str; 8] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
];

/// `versions` of a registry, with these variables and no others of their kind.
fn versions(source: &str, variables: &HashMap<&str, String>) -> Command {
    let data = tempfile::tempdir().unwrap();
    let mut command = forge(data.path(), source);
    for name in VARIABLES {
        command.env_remove(name);
    }
    command
        .envs(variables)
        .env("IF_ARTIFACTS_CORE_INSECURE", "true")
        .arg("versions");
    command
}

#[test]
fn the_registry_is_reached_through_the_proxies_that_the_environment_names() {
    let _alone = alone();
    let Some(release) = release() else { return };
    let (direct, proxy) = (Registry::start(&release), Registry::start(&release));
    // This machine under a name that does not say so: nothing on it would be asked through a proxy.
    let host = format!("0.0.0.0:{}", direct.address.port());
    let url = format!("http://{}", proxy.address);
    let list = format!("http://{host}/v2/siderolabs/imager/tags/list");
    let through_proxy = |asked: &[String]| {
        let asked_for = |what: &str| asked.iter().any(|line| line.contains(what));
        asked_for(&format!("CONNECT {host}")) && asked_for(&list)
    };
    for spelling in [str::to_owned, str::to_lowercase] {
        let names = ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"].map(spelling);
        let [http, https, none] = &names;
        let before = proxy.asked().len();
        let mut variables = HashMap::from([(&**http, url.clone()), (&**https, url.clone())]);
        let listed = versions(&host, &variables).output().unwrap();
        assert!(listed.status.success(), "{listed:?}");
        assert!(String::from_utf8_lossy(&listed.stdout).contains("v1.14.0"));
        let asked = proxy.asked();
        assert!(through_proxy(&asked[before..]), "{asked:?}");
        assert_eq!(direct.asked(), [""; 0], "{names:?}");
        // Hosts that are exempt are asked directly.
        variables.insert(none, "example.org,0.0.0.0".to_owned());
        let listed = versions(&host, &variables).output().unwrap();
        assert!(listed.status.success(), "{listed:?}");
        assert_eq!(proxy.asked().len(), asked.len(), "{names:?}");
        assert!(!direct.asked().is_empty());
        direct.forget();
    }
}

#[test]
fn a_registry_on_this_machine_is_never_asked_through_a_proxy() {
    let _alone = alone();
    let Some(release) = release() else { return };
    let (direct, proxy) = (Registry::start(&release), Registry::start(&release));
    let url = format!("http://{}", proxy.address);
    let variables = HashMap::from([("HTTP_PROXY", url.clone()), ("HTTPS_PROXY", url)]);
    let listed = versions(&direct.address.to_string(), &variables).output();
    assert!(listed.unwrap().status.success());
    assert_eq!(proxy.asked(), [""; 0]);
}

#[test]
fn only_trusted_proxies_say_who_asks_and_under_which_name() {
    let _alone = alone();
    let Some(release) = release() else { return };
    let request = format!(
        "GET /pxe/{PLAIN}/v1.14.0/metal-amd64 HTTP/1.1\r\nHost: internal:8080\r\nConnection: close\r\n\
         X-Forwarded-Proto: https\r\nX-Forwarded-Host: factory.example.org\r\n\
         X-Forwarded-For: 203.0.113.9\r\n\r\n"
    );
    let cases = [
        ("127.0.0.0/8", "https://factory.example.org/image/"),
        ("10.0.0.0/8,127.0.0.1", "https://factory.example.org/image/"),
        ("10.0.0.0/8", "http://internal:8080/image/"),
        ("", "http://internal:8080/image/"),
    ];
    for (trusted, expected) in cases {
        let data = tempfile::tempdir().unwrap();
        let mut command = forge(data.path(), &layout(&release));
        command.env("IF_HTTP_TRUSTEDPROXIES", trusted);
        let process = Process::start(command);
        let answer = exchange(process.address, request.as_bytes());
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(answer.text().contains(expected), "{}", answer.text());
    }
}
