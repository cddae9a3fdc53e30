//! Operations of a document that are resources.

use serde_json::{Value, json};

use super::{document, names};
use crate::harness::{Conf, Nginx, Request, Upstream, json as answer, request, response};

fn read(uri: &str) -> Request {
    request(1, "resources/read", json!({"uri": uri})).header("Mcp-Name", uri)
}

fn list(nginx: &Nginx, method: &str, member: &str) -> Vec<String> {
    let result = nginx.send(&request(1, method, json!({}))).result();
    let name = |one: &Value| one.get("uri").or(one.get("uriTemplate")).unwrap().as_str().unwrap().to_owned();
    result[member].as_array().unwrap().iter().map(name).collect()
}

#[test]
fn what_get_answers_is_read_by_a_uri() {
    let upstream = Upstream::new(|request| match request.line().as_str() {
        "GET /pets/7?lang=de" | "GET /pets/7" => answer(&json!({"id": 7})),
        "GET /pets?limit=2" => answer(&json!([1, 2])),
        "GET /photo/a%20b" => response(200, "image/png", "\u{1}"),
        line => response(404, "text/plain", line),
    });
    let parameter = |name: &str, place: &str, kind: &str| json!({"name": name, "in": place, "required": place == "path", "schema": {"type": kind}});
    let paths = json!({
        "/pets": {
            "get": {"operationId": "listPets", "tags": ["pets"], "summary": "All pets", "parameters": [parameter("limit", "query", "integer")]},
            "post": {"operationId": "addPet", "tags": ["pets"]},
        },
        "/pets/{id}": {"get": {"operationId": "getPet", "tags": ["pets"], "parameters": [
            parameter("id", "path", "integer"), parameter("lang", "query", "string"), parameter("X-Tenant", "header", "string"),
        ]}},
        "/photo/{name}": {"get": {"operationId": "photo", "parameters": [parameter("name", "path", "string")]}},
        "/status": {"get": {"operationId": "status"}},
    });
    let mut document = document(&format!("http://{upstream}"), paths);
    document["components"] = json!({"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}}});
    document["security"] = json!([{"key": []}]);
    let nginx = Conf::location(
        "mcp_openapi api.json {
             resource  \"photo:{name}\" operation=photo tool=on;
             resources shop:/ tag=pets;
             credential key $http_x_api_key;
             tool getPet { fix X-Tenant berlin; }
         }",
    )
    .file("api.json", document.to_string())
    .start();
    assert_eq!(names(&nginx), ["addPet", "photo", "status"]);
    assert_eq!(list(&nginx, "resources/list", "resources"), [] as [&str; 0]);
    let templates = ["shop:/pets{?limit}", "shop:/pets/{id}{?lang}", "photo:{name}"];
    assert_eq!(list(&nginx, "resources/templates/list", "resourceTemplates"), templates);

    let contents = |uri: &str| nginx.send(&read(uri).header("X-Api-Key", "k")).result()["contents"].clone();
    let json = |uri: &str, text: &str| json!([{"uri": uri, "mimeType": "application/json", "text": text}]);
    assert_eq!(contents("shop:/pets/7?lang=de"), json("shop:/pets/7?lang=de", "{\"id\":7}"));
    let seen = upstream.requests().pop().unwrap();
    assert_eq!((seen.header("x-key"), seen.header("x-tenant")), (Some("k".into()), Some("berlin".into())));
    assert_eq!(contents("shop:/pets?limit=2"), json("shop:/pets?limit=2", "[1,2]"));
    let photo = json!([{"uri": "photo:a%20b", "mimeType": "image/png", "blob": "AQ=="}]);
    assert_eq!(contents("photo:a%20b"), photo);
    for uri in ["shop:/pets/8", "shop:/pets/rex", "shop:/pets?limit=many", "shop:/status"] {
        let reply = nginx.send(&read(uri));
        assert_eq!((reply.status, reply.error_code()), (400, -32602), "{uri}");
    }
    assert_eq!(upstream.requests().len(), 4);
}
