use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use super::*;

/// A Docker configuration in a directory of its own.
struct Docker {
    directory: tempfile::TempDir,
}

impl Docker {
    fn new(config: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("config.json"), config).unwrap();
        Self { directory }
    }

    fn sources(&self) -> CredentialSources {
        CredentialSources {
            docker_config: Some(self.directory.path().join("config.json")),
            github_token: None,
        }
    }

    async fn find(&self, host: &str) -> Result<Option<Credential>, Cause> {
        find(&self.sources(), host).await
    }
}

#[expect(clippy::unnecessary_wraps, reason = "what lookups return")]
fn password(username: &str, password: &str) -> Option<Credential> {
    Some(Credential::Password {
        username: username.to_owned(),
        password: password.to_owned(),
    })
}

#[tokio::test]
async fn every_spelling_of_a_host_is_found_and_no_other_host_is() {
    // `dXNlcjpwOmFzcw==` is `user:p:ass`.
    for key in [
        "ghcr.io",
        "https://ghcr.io",
        "https://ghcr.io/",
        "ghcr.io/v2/",
        "https://ghcr.io/v1/",
    ] {
        let docker = Docker::new(&format!(
            r#"{{"auths":{{"{key}":{{"auth":"dXNlcjpwOmFzcw=="}}}}}}"#
        ));
        assert_eq!(
            docker.find("ghcr.io").await,
            Ok(password("user", "p:ass")),
            "{key}"
        );
        assert_eq!(docker.find("ghcr.io:5000").await, Ok(None), "{key}");
        assert_eq!(docker.find("xghcr.io").await, Ok(None), "{key}");
    }
    let part = Docker::new(r#"{"auths":{"ghcr.io/somebody":{"auth":"dXNlcjpwOmFzcw=="}}}"#);
    assert_eq!(part.find("ghcr.io").await, Ok(None));
}

#[tokio::test]
async fn all_kinds_of_credentials_are_read() {
    let docker = Docker::new(
        r#"{"auths":{
            "a":{"username":"u","password":"p"},
            "b":{"auth":"dXNlcjpwOmFzcw==","identitytoken":"it"},
            "c":{"registrytoken":"rt"},
            "d":{},
            "e":{"auth":"!"},
            "https://index.docker.io/v1/":{"auth":"dXNlcjpwOmFzcw=="}}}"#,
    );
    assert_eq!(docker.find("a").await, Ok(password("u", "p")));
    assert_eq!(
        docker.find("b").await,
        Ok(Some(Credential::IdentityToken("it".to_owned())))
    );
    assert_eq!(
        docker.find("c").await,
        Ok(Some(Credential::RegistryToken("rt".to_owned())))
    );
    assert_eq!(docker.find("d").await, Ok(None));
    assert_eq!(
        docker.find("docker.io").await,
        Ok(password("user", "p:ass"))
    );
    let Err(Cause::Settings(text)) = docker.find("e").await else {
        panic!("not base64");
    };
    assert!(text.contains("config.json: auths of e"), "{text}");
}

#[tokio::test]
async fn no_configuration_is_no_credentials_and_a_broken_one_is_an_error() {
    let sources = CredentialSources {
        docker_config: Some(PathBuf::from("/nonexistent/config.json")),
        github_token: None,
    };
    assert_eq!(find(&sources, "a").await, Ok(None));
    assert!(matches!(
        Docker::new("{").find("a").await,
        Err(Cause::Settings(_))
    ));
}

#[tokio::test]
async fn the_github_token_is_for_ghcr_alone_and_comes_last() {
    let docker = Docker::new(r#"{"auths":{}}"#);
    let sources = CredentialSources {
        github_token: Some("secret".to_owned()),
        ..docker.sources()
    };
    assert_eq!(
        find(&sources, "ghcr.io").await,
        Ok(password("token", "secret"))
    );
    assert_eq!(find(&sources, "quay.io").await, Ok(None));
    let docker = Docker::new(r#"{"auths":{"ghcr.io":{"username":"u","password":"p"}}}"#);
    let sources = CredentialSources {
        github_token: Some("secret".to_owned()),
        ..docker.sources()
    };
    assert_eq!(find(&sources, "ghcr.io").await, Ok(password("u", "p")));
}

#[tokio::test]
async fn helpers_are_asked_with_the_host_and_may_know_nothing() {
    let bin = tempfile::tempdir().unwrap();
    let helper = |name: &str, script: &str| {
        let path = bin.path().join(format!("docker-credential-{name}"));
        fs::write(
            &path,
            format!("#!/bin/sh\n[ \"$1\" = get ] || exit 9\nread -r host\n{script}\n"),
        )
        .unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let knows = helper(
        "knows",
        r#"printf '{"ServerURL":"x","Username":"%s","Secret":"s"}' "$host""#,
    );
    let token = helper("token", r#"echo '{"Username":"<token>","Secret":"it"}'"#);
    let nothing = helper(
        "nothing",
        "echo 'credentials not found in native keychain'; exit 1",
    );
    let broken = helper("broken", "echo 'no daemon'; exit 3");
    assert_eq!(
        run_helper(&knows, "ghcr.io").await,
        Ok(password("ghcr.io", "s"))
    );
    assert_eq!(
        run_helper(&token, "a").await,
        Ok(Some(Credential::IdentityToken("it".to_owned())))
    );
    assert_eq!(run_helper(&nothing, "a").await, Ok(None));
    let Err(Cause::Settings(text)) = run_helper(&broken, "a").await else {
        panic!("the helper failed");
    };
    assert!(
        text.contains("docker-credential-broken") && text.contains("no daemon"),
        "{text}"
    );
}

#[tokio::test]
async fn a_helper_is_a_name_and_not_a_path() {
    let docker = Docker::new(r#"{"credHelpers":{"a":"../../bin/x"},"credsStore":"absent-helper"}"#);
    assert!(matches!(docker.find("a").await, Err(Cause::Settings(_))));
    let Err(Cause::Settings(text)) = docker.find("b").await else {
        panic!("there is no such helper");
    };
    assert!(
        text.starts_with("docker-credential-absent-helper: "),
        "{text}"
    );
}
