use super::*;

fn load(pairs: &[(&str, &str)]) -> Result<Config, Error> {
    let environment: Vec<_> = pairs
        .iter()
        .map(|(name, value)| {
            (
                format!("IF_{}", name.replace('.', "_").to_uppercase()),
                (*value).to_owned(),
            )
        })
        .collect();
    let settings = Settings::load(&[], &environment)?;
    Config::new(settings, Path::new("/data"))
}

#[test]
fn nothing_needs_to_be_set() {
    let config = load(&[]).unwrap();
    assert_eq!(config.listen, [":8080"]);
    assert_eq!(config.source.to_string(), "ghcr.io");
    assert_eq!(config.store_path, Path::new("/data/store"));
    assert_eq!(config.schematic_path, Path::new("/data/schematics"));
    assert_eq!(config.store_max_size, 64 << 30);
    assert_eq!(config.recheck, Duration::from_mins(15));
    assert_eq!(config.metrics_addr.as_deref(), Some(":2122"));
    assert_eq!(config.schematic_repository, None);
    assert_eq!(config.warnings.len(), 2, "{:?}", config.warnings);
}

#[test]
fn wrong_values_name_key_value_and_origin() {
    let cases = [
        (
            ("store.maxSize", "lots"),
            r#"store.maxSize = "lots" (environment IF_STORE_MAXSIZE): expected a size such as 64GiB"#,
        ),
        (
            ("limits.stall", "60"),
            r#"limits.stall = "60" (environment IF_LIMITS_STALL): expected a duration such as 15m or 1h30m"#,
        ),
        (
            ("http.externalURL", "factory.example.org"),
            r#"http.externalURL = "factory.example.org" (environment IF_HTTP_EXTERNALURL): expected a URL such as https://factory.example.org/"#,
        ),
        (
            ("cache.s3.enabled", "maybe"),
            r#"cache.s3.enabled = "maybe" (environment IF_CACHE_S3_ENABLED): expected true or false"#,
        ),
        (
            ("limits.connections", "0"),
            r#"limits.connections = "0" (environment IF_LIMITS_CONNECTIONS): expected more than 0"#,
        ),
    ];
    for (pair, expected) in cases {
        assert_eq!(load(&[pair]).unwrap_err().to_string(), expected);
    }
    assert!(load(&[("http.certFile", "/a")]).is_err());
    assert!(load(&[("http.trustedProxies", "10.0.0.0/33")]).is_err());
    assert!(load(&[("artifacts.core.registry", "https://ghcr.io")]).is_err());
}

#[test]
fn what_is_not_built_is_refused_by_name() {
    let cases = [
        ("cache.s3.enabled", "true"),
        ("cache.cdn.enabled", "true"),
        ("authentication.enabled", "true"),
        ("secureBoot.enabled", "true"),
        ("audit.mode", "file"),
        ("containerSignature.publicKeyFile", "/etc/key.pub"),
    ];
    for (name, value) in cases {
        let error = load(&[(name, value)]).unwrap_err().to_string();
        assert!(
            error.starts_with(name) && error.contains("not built yet: "),
            "{error}"
        );
        assert!(
            load(&[(name, keys::find(name).unwrap().default)]).is_ok(),
            "{name}"
        );
    }
}

#[test]
fn a_configuration_of_the_reference_is_accepted() {
    let config = load(&[
        ("artifacts.core.registry", "registry.local:5000"),
        ("artifacts.core.namespace", "mirror"),
        ("artifacts.core.insecure", "true"),
        (
            "artifacts.schematic",
            "registry.local:5000/image-factory/schematics",
        ),
        ("artifacts.schematic.insecure", "true"),
        ("cache.oci", "registry.local:5000/cache"),
        ("cache.signingKeyPath", "/key"),
        ("containerSignature.disabled", "true"),
        ("http.externalURL", "https://factory.example.org/"),
        ("http.allowedOrigins", r#"["https://a.example.org"]"#),
    ])
    .unwrap();
    assert_eq!(config.source.to_string(), "registry.local:5000/mirror");
    let repository = config.schematic_repository.unwrap();
    assert_eq!(repository.registry, "registry.local:5000");
    assert_eq!(repository.name, "image-factory/schematics");
    assert!(repository.insecure && config.source_insecure);
    assert_eq!(config.allowed_origins, ["https://a.example.org"]);
    assert_eq!(config.warnings.len(), 3, "{:?}", config.warnings);
}

#[test]
fn an_oci_layout_needs_no_registry() {
    let config = load(&[("artifacts.core.registry", "oci:/srv/release")]).unwrap();
    assert_eq!(config.source, SourceSpec::Directory("/srv/release".into()));
}

#[test]
fn what_is_printed_is_a_configuration_without_secrets() {
    let config = load(&[
        ("authentication.auth0.clientSecret", "hunter2"),
        ("http.allowedOrigins", "a,b"),
        ("store.path", "/blobs"),
    ])
    .unwrap();
    let text = config.describe();
    assert!(!text.contains("hunter2"));
    assert!(text.contains("authentication.auth0.clientSecret: (hidden) # environment IF_AUTHENTICATION_AUTH0_CLIENTSECRET\n"));
    assert!(text.contains("store.path: \"/blobs\" # environment IF_STORE_PATH\n"));
    assert!(text.contains("artifacts.schematic.path: \"/data/schematics\" # default\n"));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("printed.yaml");
    std::fs::write(&path, text).unwrap();
    let again = Settings::load(&[source::Source::File(path)], &[]).unwrap();
    assert_eq!(again.warnings, Vec::<String>::new());
}

#[test]
fn extra_catalogues_are_the_reference_s_one_and_a_list() {
    let config = load(&[
        (
            "enterprise.extraExtensions.manifest.registry",
            "registry.example.org",
        ),
        ("enterprise.extraExtensions.manifest.namespace", "mirror"),
        (
            "enterprise.extraExtensions.manifest.repository",
            "team/extensions",
        ),
        ("enterprise.extraExtensions.manifest.insecure", "true"),
        (
            "artifacts.extraExtensions",
            "other.example.org/a, third.example.org:5000/b?insecure=true",
        ),
    ])
    .unwrap();
    let shown: Vec<_> = config
        .extra_catalogs
        .iter()
        .map(|catalog| {
            let namespace = catalog.namespace.as_ref().map(ToString::to_string);
            let registry = &catalog.registry;
            (
                registry.host.as_str(),
                namespace,
                catalog.repository.as_str(),
                registry.insecure,
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            (
                "registry.example.org",
                Some("mirror".to_owned()),
                "team/extensions",
                true
            ),
            ("other.example.org", None, "a", false),
            ("third.example.org:5000", None, "b", true),
        ]
    );
    assert!(!config.allow_references);
    for (key, value) in [
        ("artifacts.extraExtensions", "no-host"),
        ("artifacts.extraExtensions", "a.b/x,a.b/y?insecure=true"),
        ("enterprise.extraExtensions.manifest.repository", "x"),
    ] {
        assert!(load(&[(key, value)]).is_err(), "{key} = {value}");
    }
}
