//! Pages as a browser shows them: Chromium, driven over two pipes in the protocol of its developer tools.

use std::{
    fs::{self, File, OpenOptions},
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    time::Duration,
};

use hallmark::engine::host::find_program;
use serde_json::{Value, json};

use crate::{
    layouts::{Layout, Parts},
    server::{Registry, World},
    support::Hallmark,
};

/// What an answer of the browser may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Rows that are seen before anybody opens a folder, of differences on one page.
const ROWS_OPEN: u64 = 60;

/// A browser with one page.
struct Browser {
    process: Child,
    to: File,
    said: Receiver<Value>,
    session: Option<String>,
    last: u64,
    /// What it told unasked since the last page was opened.
    events: Vec<Value>,
    _home: tempfile::TempDir,
}

impl Browser {
    /// Chromium, where it is on PATH.
    fn start(test: &str) -> Option<Self> {
        let Some(program) = find_program("chromium") else {
            eprintln!("SKIPPED {test}: chromium is not on PATH");
            return None;
        };
        let home = tempfile::tempdir().unwrap();
        let [to, from] = ["to", "from"].map(|name| home.path().join(name));
        assert!(Command::new("mkfifo").args([&to, &from]).status().unwrap().success());
        // It reads the third and writes the fourth.
        let script = "exec \"$0\" \"$@\" 3< \"$HOME/to\" 4> \"$HOME/from\"";
        let process = Command::new("sh")
            .args(["-c", script])
            .arg(program)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
            ])
            .args([
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ])
            .args(["--hide-scrollbars", "--remote-debugging-pipe", "about:blank"])
            .arg(format!("--user-data-dir={}", home.path().join("data").display()))
            .env("HOME", home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let to = OpenOptions::new().write(true).open(to).unwrap();
        let from = BufReader::new(File::open(from).unwrap());
        let (sender, said) = mpsc::channel();
        std::thread::spawn(move || {
            for message in from.split(0).map_while(Result::ok) {
                let _ = sender.send(serde_json::from_slice(&message).unwrap());
            }
        });
        let events = Vec::new();
        let mut browser = Self { process, to, said, session: None, last: 0, events, _home: home };
        let page = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let wanted = json!({ "targetId": page["targetId"], "flatten": true });
        let session = browser.call("Target.attachToTarget", wanted);
        browser.session = session["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        Some(browser)
    }

    fn next(&mut self) -> Value {
        self.said.recv_timeout(PATIENCE).expect("the browser answers")
    }

    fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.last += 1;
        let mut message = json!({ "id": self.last, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            message["sessionId"] = session.as_str().into();
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.to.write_all(&bytes).unwrap();
        loop {
            let mut said = self.next();
            if said["id"] == self.last {
                assert!(said.get("error").is_none(), "{method}: {said}");
                return said["result"].take();
            }
            self.events.push(said);
        }
    }

    /// The media of a page: what it is for, how wide it is, and which colours its reader likes.
    fn looks(&mut self, media: &str, columns: u64, scheme: &str) {
        let size =
            json!({ "width": columns, "height": 900, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", size);
        let likes = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.call("Emulation.setEmulatedMedia", json!({ "media": media, "features": likes }));
    }

    /// Opens a page, to the end of its loading.
    fn open(&mut self, page: &Path) {
        self.events.clear();
        self.call("Page.navigate", json!({ "url": format!("file://{}", page.display()) }));
        let is_loaded = |event: &Value| event["method"] == "Page.loadEventFired";
        while !self.events.iter().any(is_loaded) {
            let event = self.next();
            self.events.push(event);
        }
    }

    fn eval(&mut self, script: &str) -> Value {
        let asked = json!({ "expression": script, "returnByValue": true });
        let mut answer = self.call("Runtime.evaluate", asked);
        assert!(answer.get("exceptionDetails").is_none(), "{script}: {answer}");
        answer["result"]["value"].take()
    }

    /// What the page complained of, and what it asked for beside itself.
    fn complaints(&self) -> Vec<&Value> {
        let is_complaint = |event: &&Value| match event["method"].as_str().unwrap_or_default() {
            "Log.entryAdded" | "Runtime.exceptionThrown" | "Runtime.consoleAPICalled" => true,
            "Network.requestWillBeSent" => event["params"]["type"] != "Document",
            _ => false,
        };
        self.events.iter().filter(is_complaint).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Texts that stand out too little from what is behind them (WCAG 2: a contrast of 4.5).
const FAINT: &str = r#"(() => {
  const parts = text => { const [r, g, b, a = 1] = text.match(/[\d.]+/g).map(Number); return { r, g, b, a }; };
  const light = ({ r, g, b }) => {
    const [x, y, z] = [r, g, b].map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parts(getComputedStyle(at).backgroundColor);
      if (colour.a === 1) return colour;
    }
    return parts("rgb(255, 255, 255)");
  };
  const found = new Set();
  for (const element of document.body.querySelectorAll("*")) {
    if (![...element.childNodes].some(node => node.nodeType === 3 && node.data.trim())) continue;
    const [a, b] = [light(parts(getComputedStyle(element).color)), light(behind(element))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) found.add(`${element.tagName}.${element.className} ${contrast.toFixed(2)} ${element.textContent.slice(0, 30)}`);
  }
  return [...found];
})()"#;

/// Names that mislead browsers and their readers.
const EVIL: &str = "srv/<script>alert(1)</script><img src=x onerror=alert(2)>\u{202e}gpj";

/// Two images with 1400 differences: many in one folder, many of which the same is said, and some with evil names.
fn many() -> [Layout; 2] {
    let side = |word: &str, more: usize| {
        let of = |n: usize| match n {
            0..700 => format!("usr/lib/app/{n}.so"),
            700..1000 => format!("usr/share/{}/{n}", n % 40),
            _ => format!("etc/{n}"),
        };
        let mut files: Vec<(String, String)> =
            (0..1100).map(|n| (of(n), format!("{word} {n}"))).collect();
        files.extend((0..more).map(|n| (format!("var/empty/{n}"), String::new())));
        files.push((EVIL.to_owned(), word.to_owned()));
        let files: Vec<(&str, &[u8])> =
            files.iter().map(|(name, text)| (name.as_str(), text.as_bytes())).collect();
        Layout::of(&Parts::new(&files))
    };
    [side("left", 299), side("right", 0)]
}

/// Pages as the program writes them, by what is on them.
fn pages(folder: &Path) -> Vec<(&'static str, PathBuf)> {
    let world = World::new();
    let registry = Registry::honest(world.store.clone());
    let (image, gone) = (registry.image(&world.image), registry.image("gone"));
    let [left, right] = many();
    let written = |name: &'static str, call: &[&str], code: i32| {
        let file = folder.join(format!("{name}.html"));
        let output = match call[0] {
            "diff" => "--output=html".to_owned(),
            _ => format!("--output=html={}", file.display()),
        };
        let call = Hallmark::new(call.iter().copied()).arg(output).config(&world.config("signed"));
        let answer = call.run();
        answer.exits(code);
        if answer.stdout.starts_with("<!DOCTYPE html>") {
            fs::write(&file, &answer.stdout).unwrap();
        }
        (name, file)
    };
    vec![
        written("pass", &["verify", &image], 0),
        written("refusal", &["verify", "--policy", "slsa", &image], 1),
        written("not-made", &["verify", &gone], 3),
        written("several", &["verify", &image, &gone], 3),
        written("rebuild", &["rebuild", &image], 1),
        written("diff", &["diff", &left.reference(), &right.reference()], 1),
    ]
}

#[test]
fn pages_are_read_on_small_dark_screens_and_on_paper() {
    let test = "pages_are_read_on_small_dark_screens_and_on_paper";
    let Some(mut browser) = Browser::start(test) else { return };
    let folder = tempfile::tempdir().unwrap();
    for (name, page) in pages(folder.path()) {
        for columns in [360, 768, 1280] {
            browser.looks("screen", columns, "light");
            browser.open(&page);
            let wide = browser.eval("document.documentElement.scrollWidth");
            assert_eq!(wide, columns, "{name} scrolls sideways");
            let elements = "document.querySelectorAll('script, img, link, iframe').length";
            assert_eq!(browser.eval(elements), 0, "{name}");
            let digests = "[...document.querySelectorAll('.d')].filter(d => d.getClientRects().length > 1).length";
            assert_eq!(browser.eval(digests), 0, "{name}: broken digests at {columns}");
            assert!(browser.complaints().is_empty(), "{name}: {:#?}", browser.complaints());
        }
        for scheme in ["light", "dark"] {
            browser.looks("screen", 1280, scheme);
            browser.open(&page);
            browser.eval("document.querySelectorAll('details').forEach(d => d.open = true)");
            let dark = "getComputedStyle(document.body).backgroundColor !== 'rgb(255, 255, 255)'";
            assert_eq!(browser.eval(dark), scheme == "dark", "{name}");
            assert_eq!(browser.eval(FAINT), json!([]), "{name}: too faint where it is {scheme}");
        }
        // On paper it is light, whoever prints it, and nothing is folded away.
        browser.looks("print", 720, "dark");
        browser.open(&page);
        let ink = "getComputedStyle(document.body).backgroundColor";
        assert_eq!(browser.eval(ink), "rgb(255, 255, 255)", "{name}");
        assert_eq!(browser.eval(FAINT), json!([]), "{name}: too faint on paper");
        let hidden =
            "[...document.querySelectorAll('li, dd')].filter(e => !e.checkVisibility()).length";
        assert_eq!(browser.eval(hidden), 0, "{name}: folded away on paper");
        let paper = browser.call("Page.printToPDF", json!({}));
        assert!(paper["data"].as_str().unwrap().len() > 1000, "{name}");
    }
}

#[test]
fn a_page_of_1400_differences_opens_at_once_with_large_folders_closed() {
    let test = "a_page_of_1400_differences_opens_at_once_with_large_folders_closed";
    let Some(mut browser) = Browser::start(test) else { return };
    let folder = tempfile::tempdir().unwrap();
    let [left, right] = many();
    let call = Hallmark::new(["diff", &left.reference(), &right.reference(), "-o", "html"]);
    // Without that, a thousand are listed and the rest is counted.
    let answer = call.config("version: 1\nlimits: {differences: 2000}\n").run();
    answer.exits(1).says("<b>1400</b> unexplained");
    let page = folder.path().join("diff.html");
    fs::write(&page, &answer.stdout).unwrap();
    let sizes = [360, 768, 1280, 1280].map(|columns| {
        browser.looks("screen", columns, "light");
        browser.open(&page);
        let took = "performance.getEntriesByType('navigation')[0].loadEventEnd";
        let laid_out = "document.documentElement.getBoundingClientRect().height";
        assert!(browser.eval(laid_out).as_f64().unwrap() < 20_000.0);
        browser.eval(took).as_f64().unwrap()
    });
    eprintln!("1400 differences, {} bytes: opened in {sizes:.0?} ms", answer.stdout.len());
    let count = |script: &str, browser: &mut Browser| browser.eval(script).as_u64().unwrap();
    let rows =
        "[...document.querySelectorAll('.tree .row')].filter(e => e.checkVisibility()).length";
    let seen = count(rows, &mut browser);
    assert!((1..=ROWS_OPEN).contains(&seen), "{seen} rows are seen");
    let all = count("document.querySelectorAll('.tree .row').length", &mut browser);
    assert!(all > 1000, "{all} rows");
    // A folder with hundreds of files is closed; what is said of hundreds of files is said once.
    for words in ["lib/app/", "299 files"] {
        let script = format!(
            "(() => {{ const found = [...document.querySelectorAll('summary')].find(s => s.textContent.includes('{words}')); \
             return found ? found.parentElement.open : null; }})()"
        );
        assert_eq!(browser.eval(&script), false, "{words}");
    }
    assert!(browser.complaints().is_empty(), "{:#?}", browser.complaints());
}

/// Packages of an image that is shown, besides one of dpkg.
const STOCKED: usize = 300;

/// The page of an image with many packages, a program of nobody with an evil name, a package that its database hides, and a file of
/// a package with other bytes.
fn inventory_page(folder: &Path) -> PathBuf {
    let package = |n: usize| {
        let text = format!(r#"{{"name":"package-{n}","version":"1.{n}.0","license":"MIT"}}"#);
        (format!("app/node_modules/package-{n}/package.json"), text)
    };
    let elf = "\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0 a program";
    let status =
        "Package: zlib1g\nStatus: install ok installed\nVersion: 1:1.2\nArchitecture: amd64\n";
    let mut files: Vec<(String, String)> = (0..STOCKED).map(package).collect();
    for (path, text) in [
        ("etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n"),
        ("var/lib/dpkg/status", status),
        (
            "var/lib/dpkg/info/zlib1g.md5sums",
            "d41d8cd98f00b204e9800998ecf8427e  usr/lib/libz.so.1\n",
        ),
        ("var/lib/dpkg/info/gone.list", "/usr/bin/planted\n"),
        ("usr/lib/libz.so.1", elf),
        ("usr/bin/planted", elf),
        ("srv/node_modules/garbled/package.json", "{"),
        (EVIL, elf),
    ] {
        files.push((path.to_owned(), text.to_owned()));
    }
    let files: Vec<(&str, &[u8])> =
        files.iter().map(|(path, text)| (path.as_str(), text.as_bytes())).collect();
    let layout = Layout::of(&Parts::new(&files));
    let reference = layout.reference();
    let call = ["inventory", "-o", "html", "--platform", "linux/amd64", &reference];
    let answer = Hallmark::new(call).config("version: 1\n").run();
    answer.exits(0);
    let page = folder.join("inventory.html");
    fs::write(&page, &answer.stdout).unwrap();
    page
}

/// Words and versions in cells that stand on more than one line, and could not be read.
const BROKEN: &str = "(() => { const lines = cell => { const range = document.createRange(); range.selectNodeContents(cell); \
    return new Set([...range.getClientRects()].map(box => box.top)).size; }; \
    return [...document.querySelectorAll('.list td.facet, .list td[data-label=version] code')] \
    .filter(cell => cell.checkVisibility() && /^[^\\s-]{1,13}$/.test(cell.textContent) && lines(cell) > 1).map(cell => cell.textContent); })()";

/// Rows of the table of packages that are seen.
const PACKAGES: &str = "[...document.querySelectorAll('table[aria-label=Packages] tbody tr')].filter(row => row.checkVisibility())";

#[test]
fn an_inventory_sorts_and_filters_in_a_browser() {
    let test = "an_inventory_sorts_and_filters_in_a_browser";
    let Some(mut browser) = Browser::start(test) else { return };
    let folder = tempfile::tempdir().unwrap();
    let page = inventory_page(folder.path());
    browser.looks("screen", 1280, "light");
    browser.open(&page);
    let rows = format!("{PACKAGES}.length");
    let first = format!("{PACKAGES}[0].querySelector('b').textContent");
    assert_eq!(browser.eval(&rows), STOCKED + 1);
    let tool = |selector: &str, value: &str, event: &str| {
        format!(
            "(() => {{ const tools = document.querySelector('table[aria-label=Packages]').previousElementSibling; \
             const tool = tools.querySelector(`{selector}`); tool.value = `{value}`; tool.dispatchEvent(new Event('{event}')); }})()"
        )
    };
    // Words are looked for in all cells, and all of them have to be there.
    browser.eval(&tool("input", "NPM package-29", "input"));
    assert_eq!(browser.eval(&rows), 11, "29 and 290 to 299");
    let count = "document.querySelector('table[aria-label=Packages]').previousElementSibling.querySelector('output').textContent";
    assert_eq!(browser.eval(count), format!("11 of {}", STOCKED + 1));
    browser.eval(&tool("input", "", "input"));
    let ecosystem = "select[aria-label=\"ecosystem of Packages\"]";
    browser.eval(&tool(ecosystem, "1", "change"));
    assert_eq!((browser.eval(&rows), browser.eval(&first)), (json!(1), json!("zlib1g")));
    browser.eval(&tool(ecosystem, "", "change"));
    // Numbers in versions are numbers, in both directions.
    let version = "document.querySelectorAll('table[aria-label=Packages] th button')[1].click()";
    browser.eval(version);
    assert_eq!(browser.eval(&first), "zlib1g", "1:1.2 lies before 1.0.0");
    let third = format!("{PACKAGES}[2].querySelector('b').textContent");
    assert_eq!(browser.eval(&third), "package-1", "1.1.0 lies before 1.10.0");
    browser.eval(version);
    assert_eq!(browser.eval(&first), "package-299");
    let sorted =
        "document.querySelectorAll('table[aria-label=Packages] th')[1].getAttribute('aria-sort')";
    assert_eq!(browser.eval(sorted), "descending");
    browser.eval(&tool("select.order", "0", "change"));
    assert_eq!(browser.eval(&first), "package-0");
    assert!(browser.complaints().is_empty(), "{:#?}", browser.complaints());
}

#[test]
fn an_inventory_is_read_on_small_dark_screens_and_on_paper() {
    let test = "an_inventory_is_read_on_small_dark_screens_and_on_paper";
    let Some(mut browser) = Browser::start(test) else { return };
    let folder = tempfile::tempdir().unwrap();
    let page = inventory_page(folder.path());
    for columns in [360, 768, 1100, 1280] {
        browser.looks("screen", columns, "light");
        browser.open(&page);
        assert_eq!(
            browser.eval("document.documentElement.scrollWidth"),
            columns,
            "it scrolls sideways"
        );
        assert_eq!(browser.eval(BROKEN), json!([]), "broken words at {columns}");
        // Names from the image are text, and the one script is ours.
        assert_eq!(browser.eval("document.querySelectorAll('img, link, iframe').length"), 0);
        assert_eq!(browser.eval("document.querySelectorAll('script').length"), 1);
        let evil = "document.body.innerText.includes('<script>alert(1)</script><img src=x onerror=alert(2)>\\\\u{202e}gpj')";
        assert_eq!(browser.eval(evil), true);
        let ordered = "document.querySelector('.tools .order').checkVisibility()";
        assert_eq!(
            browser.eval(ordered),
            columns < 960,
            "without heads rows are put in order by a choice"
        );
        assert!(browser.complaints().is_empty(), "{:#?}", browser.complaints());
    }
    for scheme in ["light", "dark"] {
        browser.looks("screen", 1280, scheme);
        browser.open(&page);
        let dark = "getComputedStyle(document.body).backgroundColor !== 'rgb(255, 255, 255)'";
        assert_eq!(browser.eval(dark), scheme == "dark");
        assert_eq!(browser.eval(FAINT), json!([]), "too faint where it is {scheme}");
    }
    browser.looks("print", 720, "dark");
    browser.open(&page);
    assert_eq!(browser.eval(FAINT), json!([]), "too faint on paper");
    assert_eq!(browser.eval("document.querySelector('.tools').checkVisibility()"), false);
    assert_eq!(browser.eval(&format!("{PACKAGES}.length")), STOCKED + 1);
    let paper = browser.call("Page.printToPDF", json!({}));
    assert!(paper["data"].as_str().unwrap().len() > 1000);
}

#[test]
fn an_inventory_is_whole_without_its_script() {
    let folder = tempfile::tempdir().unwrap();
    let page = fs::read_to_string(inventory_page(folder.path())).unwrap();
    for words in [
        "package-299",
        "Hidden packages",
        "gone",
        "Could not be read",
        "/usr/bin/planted",
        "modified",
    ] {
        assert!(page.contains(words), "{words}");
    }
    assert_eq!(
        page.matches("script-src &#39;sha256-").count()
            + page.matches("script-src 'sha256-").count(),
        1
    );
    for never in ["<img", "<script>alert", "\u{202e}", "src=\"", "http://", "https://"] {
        assert!(!page.contains(never), "{never:?}");
    }
}
