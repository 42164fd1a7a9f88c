//! Recorded reports of ISOs.

/// A report: sections after lines of `===== title`.
pub(crate) struct Report(String);

impl Report {
    pub(crate) fn new(name: &str) -> Self {
        let path = format!(
            "{}/../testdata/reports/{name}.iso.txt",
            env!("CARGO_MANIFEST_DIR")
        );
        Self(std::fs::read_to_string(path).unwrap())
    }

    pub(crate) fn section(&self, title: &str) -> &str {
        let start = format!("===== {title}\n");
        let (_, rest) = self
            .0
            .split_once(&start)
            .unwrap_or_else(|| panic!("no section {title:?}"));
        rest.split_once("\n=====")
            .map_or(rest, |(section, _)| section)
    }

    pub(crate) fn json(&self, title: &str) -> serde_json::Value {
        serde_json::from_str(self.section(title)).unwrap()
    }

    /// Mode and length of each file of the ISO.
    pub(crate) fn files(&self) -> Vec<(String, String, u64)> {
        let lines = self
            .section("files")
            .lines()
            .filter(|line| line.ends_with('\''));
        let fields = |line: &str| {
            let (head, path) = line.split_once('\'').unwrap();
            let mut words = head.split_whitespace();
            let (mode, len) = (
                words.next().unwrap().to_owned(),
                words.nth(3).unwrap().parse().unwrap(),
            );
            (path.trim_matches(['\'', '/']).to_owned(), mode, len)
        };
        lines
            .filter(|line| line.contains(" 2019 "))
            .map(fields)
            .collect()
    }
}
