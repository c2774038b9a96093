//! `list_models`: what a source names now, and what it named before.

mod common;

use std::sync::{Arc, Mutex};

use clawnode_commands::{
    Commands, ListModels, Model, ModelSource, ModelsError, limits::MAX_MODELS_LIMIT, parse,
};
use clawnode_store::{Query, Store, limits::MOST_MODELS_OF_A_SOURCE};
use common::engine;
use serde_json::{Value, json};

/// A service whose answer can be changed.
#[derive(Clone)]
struct Service {
    name: &'static str,
    answer: Arc<Mutex<Result<Vec<Model>, ModelsError>>>,
}

impl Service {
    fn new(name: &'static str) -> Self {
        Self { name, answer: Arc::new(Mutex::new(Ok(Vec::new()))) }
    }

    fn offers(&self, models: impl IntoIterator<Item = Model>) {
        *self.answer.lock().unwrap() = Ok(models.into_iter().collect());
    }

    fn is_away(&self) {
        *self.answer.lock().unwrap() = Err(ModelsError::new("the server is away"));
    }
}

impl ModelSource for Service {
    fn name(&self) -> &str {
        self.name
    }

    fn models(&self) -> Result<Vec<Model>, ModelsError> {
        self.answer.lock().unwrap().clone()
    }
}

fn commands(store: &Store) -> Commands {
    Commands::new(engine(), store.clone())
}

fn list(commands: &Commands, user: &str, args: Value) -> Result<Value, String> {
    let params: ListModels = parse(args).unwrap();
    commands.list_models(user, &params).map(|found| json!(found)).map_err(|error| error.to_string())
}

fn ids(found: &Value) -> Vec<&str> {
    let models = found["models"].as_array().unwrap();
    assert_eq!(found["count"], models.len());
    models.iter().map(|model| model["id"].as_str().unwrap()).collect()
}

#[test]
fn models_are_listed_as_the_filters_say() {
    let service = Service::new("service");
    let mut tiny = Model::new("tiny");
    tiny.provider = Some("library".to_owned());
    tiny.model_type = Some("language_model".to_owned());
    let mut local = Model::new("org/local-7b");
    local.downloaded = Some(true);
    service.offers([tiny, local]);
    let commands = commands(&Store::in_memory().unwrap()).models(service.clone());
    let cases = [
        (json!({}), &["tiny", "org/local-7b"][..]),
        (json!({"provider": "library"}), &["tiny"]),
        (json!({"provider": "local"}), &["org/local-7b"]),
        (json!({"provider": "none"}), &[]),
        (json!({"model_type": "language_model"}), &["tiny"]),
        (json!({"downloaded_only": true}), &["org/local-7b"]),
        (json!({"recommended_only": true}), &[]),
        (json!({"limit": 1}), &["tiny"]),
    ];
    for (args, expected) in &cases {
        assert_eq!(ids(&list(&commands, "1", args.clone()).unwrap()), *expected, "{args}");
    }
    // Those of before as well.
    service.is_away();
    for (mut args, expected) in cases {
        args["stale_if_error"] = json!(true);
        assert_eq!(ids(&list(&commands, "1", args.clone()).unwrap()), expected, "{args}");
    }

    service.offers((0..300).map(|index| Model::new(index.to_string())));
    assert_eq!(list(&commands, "1", json!({})).unwrap()["count"], 50);
    let most = list(&commands, "1", json!({"limit": MAX_MODELS_LIMIT})).unwrap();
    assert_eq!(most["count"], MAX_MODELS_LIMIT);
    assert!(list(&commands, "1", json!({"limit": MAX_MODELS_LIMIT + 1})).is_err());
}

#[test]
fn without_a_source_there_are_no_models() {
    let store = Store::in_memory().unwrap();
    store.replace_models("1", "another time's", vec![Model::new("old")]).unwrap();
    for args in [json!({}), json!({"stale_if_error": true})] {
        let expected = json!({
            "models": [], "count": 0, "reachable": false, "seen_at": null, "warning": null
        });
        assert_eq!(list(&commands(&store), "1", args).unwrap(), expected);
    }
}

#[test]
fn what_a_source_names_is_kept_and_later_listed_only_for_who_asks_for_it() {
    let store = Store::in_memory().unwrap();
    let service = Service::new("service");
    let commands = commands(&store).models(service.clone());
    let stale = || json!({"stale_if_error": true});
    service.is_away();
    for args in [json!({}), stale()] {
        let nothing = list(&commands, "1", args).unwrap_err();
        assert_eq!(nothing, "the models cannot be listed: the server is away");
    }

    service.offers(["b", "a"].map(Model::new));
    let live = list(&commands, "1", stale()).unwrap();
    assert_eq!(ids(&live), ["b", "a"]);
    assert_eq!((&live["reachable"], &live["warning"]), (&json!(true), &Value::Null));
    let seen_at = live["seen_at"].as_str().unwrap();
    let kept = store.models("1", Some("service"), &Query::default()).unwrap().rows;
    assert_eq!((kept.len(), &*kept[0].seen_at), (2, seen_at));

    service.is_away();
    let error = list(&commands, "1", json!({})).unwrap_err();
    let hint = format!("(argument `stale_if_error` lists those of {seen_at})");
    assert_eq!(error, format!("the models cannot be listed: the server is away {hint}"));
    let remembered = list(&commands, "1", stale()).unwrap();
    let expected = json!({
        "models": live["models"], "count": 2, "reachable": false, "seen_at": seen_at,
        "warning": "the models cannot be listed: the server is away"
    });
    assert_eq!(remembered, expected);

    // What the source does not name any more is forgotten, and so is all of it.
    service.offers([Model::new("a")]);
    assert_eq!(ids(&list(&commands, "1", json!({})).unwrap()), ["a"]);
    service.is_away();
    assert_eq!(ids(&list(&commands, "1", stale()).unwrap()), ["a"]);
    service.offers([]);
    assert_eq!(ids(&list(&commands, "1", json!({})).unwrap()), [""; 0]);
    service.is_away();
    assert!(list(&commands, "1", stale()).is_err());
}

#[test]
fn neither_another_user_nor_another_source_has_these_models() {
    let store = Store::in_memory().unwrap();
    let (here, there) = (Service::new("here"), Service::new("there"));
    here.offers([Model::new("mine")]);
    list(&commands(&store).models(here.clone()), "ann", json!({})).unwrap();
    here.is_away();
    there.is_away();
    let plain = "the models cannot be listed: the server is away";
    for (service, user) in [(&here, "bob"), (&there, "ann")] {
        let commands = commands(&store).models(service.clone());
        for args in [json!({}), json!({"stale_if_error": true})] {
            assert_eq!(list(&commands, user, args).unwrap_err(), plain);
        }
    }
    let again = commands(&store).models(here);
    assert_eq!(ids(&list(&again, "ann", json!({"stale_if_error": true})).unwrap()), ["mine"]);
}

#[test]
fn what_cannot_be_kept_is_listed_all_the_same() {
    let store = Store::in_memory().unwrap();
    let service = Service::new("service");
    let commands = commands(&store).models(service.clone());
    service.offers([Model::new("before")]);
    list(&commands, "1", json!({})).unwrap();
    for (extra, most) in [(0, true), (1, false)] {
        service.offers(
            (0..MOST_MODELS_OF_A_SOURCE + extra).map(|index| Model::new(index.to_string())),
        );
        let found = list(&commands, "1", json!({"limit": 1})).unwrap();
        assert_eq!(ids(&found), ["0"]);
        assert_eq!((&found["reachable"], found["warning"].is_null()), (&json!(true), most));
        assert_eq!(found["seen_at"].is_string(), most);
    }
    service.offers([Model::new("")]);
    let found = list(&commands, "1", json!({})).unwrap();
    assert_eq!(ids(&found), [""]);
    assert_eq!(
        found["warning"],
        "the models are not remembered: the id of a model must not be empty"
    );
}
