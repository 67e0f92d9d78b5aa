//! Passes that are described at run time, and what registries refuse.

use tfq_ir::{Module, OpKind, catalog::ops};
use tfq_pass::invariant::SETTLED;
use tfq_pass::{
    NamedPipeline, OptionInfo, OptionKind, Pass, PassDescriptor, PassError, PassInfo, PassScope,
    Pipeline, Registry, RegistryError, RunOptions, Session, run,
};
use tfq_target::Target;
use tfq_text as text;

/// What a host of plugins would have: all it knows, it was told at run time.
#[derive(Debug)]
struct Scripted {
    rule: String,
    words: Vec<String>,
    times: u64,
}

impl Pass for Scripted {
    fn run(&self, session: &mut Session<'_>) -> Result<(), PassError> {
        for sg in session.subgraphs() {
            let place = format!("subgraph {}", sg.0);
            session.note(self.rule.clone(), place, self.words.join(" "));
            session.count(format!("{}-count", self.rule), self.times);
        }
        Ok(())
    }
}

fn scripted(name: &str, words: &[&str]) -> PassInfo {
    let mut descriptor = PassDescriptor::new(name.to_owned(), format!("Says {words:?}.\n\nMore."));
    descriptor.options = vec![
        OptionInfo::new("times", OptionKind::Integer, "1").docs("How often.".to_owned()),
        OptionInfo::new("loud", OptionKind::Switch, "off"),
        OptionInfo::new("tone", OptionKind::choice(["high", "low"]), "low"),
        OptionInfo::new("more", OptionKind::Text("WORD".into()), ""),
    ];
    let (rule, words): (String, Vec<String>) =
        (format!("rule of {name}"), words.iter().map(|word| (*word).to_owned()).collect());
    PassInfo::new(descriptor, move |options| {
        let mut words = words.clone();
        words.extend([options.text("tone"), options.text("more")].map(str::to_owned));
        if options.get("loud")? {
            words.iter_mut().for_each(|word| *word = word.to_uppercase());
        }
        Ok(Box::new(Scripted { rule: rule.clone(), words, times: options.get("times")? }))
    })
}

fn registry() -> Registry {
    let passes = ["one", "two"].map(|name| scripted(name, &[name, "says"]));
    Registry::default().with_passes(passes).unwrap()
}

fn module() -> Module {
    let text = "tfg 1 quant\nsubgraph @main {\n  %x = input : f32[2]\n  %y = NEG(%x) : f32[2]\n  output %y\n}\n";
    text::parse(text, &text::ParseOptions::default()).unwrap()
}

#[test]
fn a_pass_known_at_run_time_runs_as_any_other() {
    let text = "one{loud=true tone=high more=\"x y\"},two{times=3 tone=low}";
    let pipeline = Pipeline::parse(&registry(), text).unwrap();
    // What is written as usual, and no default.
    assert_eq!(pipeline.to_string(), "one{loud=on tone=high more=\"x y\"},two{times=3}");
    let target = Target::named("litert").unwrap();
    let report = run(&mut module(), &pipeline, &target, &RunOptions::default(), |_| ()).unwrap();
    let told: Vec<(&str, &str)> =
        report.remarks().map(|(_, remark)| (&*remark.rule, &*remark.message)).collect();
    assert_eq!(told, [("rule of one", "ONE SAYS HIGH X Y"), ("rule of two", "two says low ")]);
    assert_eq!(report.statistic("rule of two-count"), 3);
}

#[test]
fn options_of_a_description_are_checked() {
    let wrong = |text: &str| {
        let error = Pipeline::parse(&registry(), text).unwrap_err();
        (error.text[error.span.clone()].to_owned(), error.label, error.help)
    };
    let (span, label, _) = wrong("one{times=-1}");
    assert_eq!((&*span, &*label), ("-1", "a whole number from 0 on is wanted"));
    let (span, label, _) = wrong("one{tone=middle}");
    assert_eq!((&*span, &*label), ("middle", "one of high, low is wanted"));
    let (span, _, help) = wrong("one{tome=low}");
    let wanted = "did you mean `tone`? its options are times=INTEGER, loud=on|off, tone=high|low, \
                  more=WORD";
    assert_eq!((&*span, help.as_deref()), ("tome", Some(wanted)));
}

/// The form in which passes in other languages declare themselves: it stays.
#[test]
fn a_description_is_json_and_back() {
    let mut descriptor = scripted("one", &["a"]).descriptor().clone();
    descriptor.scope = PassScope::Module;
    descriptor.writes = vec![OpKind::Builtin(ops::DEQUANTIZE), OpKind::Custom("Mine".into())];
    descriptor.requires = vec![SETTLED.clone()];
    descriptor.options.truncate(3);
    let json = serde_json::to_string_pretty(&descriptor).unwrap();
    let wanted = r#"{
  "name": "one",
  "docs": "Says [\"a\"].\n\nMore.",
  "contract": "exact",
  "scope": "module",
  "writes": [
    "DEQUANTIZE",
    {
      "custom": "Mine"
    }
  ],
  "requires": [
    "settled"
  ],
  "options": [
    {
      "name": "times",
      "docs": "How often.",
      "kind": "integer",
      "default": "1"
    },
    {
      "name": "loud",
      "docs": "",
      "kind": "switch",
      "default": "off"
    },
    {
      "name": "tone",
      "docs": "",
      "kind": {
        "choice": [
          "high",
          "low"
        ]
      },
      "default": "low"
    }
  ]
}"#;
    assert_eq!(json, wanted);
    assert_eq!(serde_json::from_str::<PassDescriptor>(&json).unwrap(), descriptor);

    let small = r#"{"name": "x", "docs": "X.", "contract": "annotation", "scope": "subgraph"}"#;
    assert!(serde_json::from_str::<PassDescriptor>(small).is_ok());
    for (from, to, says) in [
        ("annotation", "roughly", "unknown variant `roughly`"),
        (r#""docs""#, r#""doc""#, "unknown field `doc`"),
        (r#""X.""#, r#""X.", "writes": ["MAGIC"]"#, "\"MAGIC\" is no operator"),
        (r#""X.""#, r#""X.", "ensures": ["tidy"]"#, "there is no invariant \"tidy\""),
        // One form only: no list for an object, no object for a word.
        (r#""annotation""#, r#"{"annotation": null}"#, "its name as a string is wanted"),
        (r#""subgraph""#, r#"{"subgraph": null}"#, "its name as a string is wanted"),
        (r#""X.""#, r#""X.", "options": [["a", "A.", "integer", "1"]]"#, "expected an object"),
        (r#""X.""#, r#""X.", "options": [{"name": "a", "kind": {"integer": null}}]"#, "its name"),
        (r#""X.""#, r#""X.", "writes": [["Mine"]]"#, "did not match"),
        (r#""X.""#, r#""X.", "writes": [{"custom": "Mine", "a": 1}]"#, "did not match"),
    ] {
        let error = serde_json::from_str::<PassDescriptor>(&small.replace(from, to)).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
    let list = r#"["x", "X.", "annotation", "subgraph"]"#;
    let error = serde_json::from_str::<PassDescriptor>(list).unwrap_err();
    assert!(error.to_string().contains("expected an object"), "{error}");
}

#[test]
fn what_could_not_be_called_is_refused() {
    let fault = |change: &dyn Fn(&mut PassDescriptor)| {
        let mut descriptor = scripted("one", &[]).descriptor().clone();
        change(&mut descriptor);
        let info = PassInfo::new(descriptor, |_| unreachable!("it is never built"));
        match Registry::default().with_passes([info]).unwrap_err() {
            RegistryError::Fault { fault, .. } => fault,
            taken => panic!("{taken}"),
        }
    };
    assert!(fault(&|d| d.name = "two words".into()).starts_with("a name is made of letters"));
    assert!(fault(&|d| d.name = "repeat".into()).contains("mean something else"));
    assert!(fault(&|d| d.options[0].name = "a=b".into()).starts_with("option \"a=b\": a name"));
    assert_eq!(fault(&|d| d.options[1].name = "times".into()), "option `times` is declared twice");
    let default = fault(&|d| d.options[0].default = "many".into());
    assert_eq!(
        default,
        "option `times`: its default is \"many\", and a whole number from 0 on is wanted"
    );
    let pipeline = NamedPipeline::new("a,b", "two", [("one", "first")]);
    assert!(registry().with_pipelines([pipeline]).is_err());
}

#[test]
fn what_is_hidden_is_not_listed_and_still_runs() {
    let mut descriptor = PassDescriptor::new("secret", "Is not told of.");
    descriptor.hidden = true;
    let secret = PassInfo::new(descriptor, |_| {
        Ok(Box::new(Scripted { rule: "r".to_owned(), words: Vec::new(), times: 0 }))
    });
    let registry = registry().with_passes([secret]).unwrap();
    let names: Vec<&str> = registry.passes().map(|info| &*info.name).collect();
    assert_eq!(names, ["one", "two"]);
    assert!(Pipeline::parse(&registry, "secret").is_ok());
    let error = Pipeline::parse(&registry, "secrets").unwrap_err();
    assert_eq!(error.help.as_deref(), Some("passes are one, two"));
}
