"""The local server in front of the portal, as far as API Gateway's own answers go."""

import http.client

from infra.build.bundle import METHODS, everything_to_the_function
from infra.local.gateway import Gateway, too_large
from infra.local.server import Reply, serving

ANSWERS = {
    "REQUEST_TOO_LARGE": {
        "statusCode": 413,
        "responseTemplates": {"application/json": '{"status":413}'},
    },
}


def test_a_body_that_is_too_large_is_answered_in_words() -> None:
    """A client that is still sending hears why it was refused, in the gateway's own words."""
    gateway = Gateway("api", (), (), None, ANSWERS)
    with serving(0, lambda _: Reply(200), body_limit=1000, too_large=too_large(gateway)) as port:
        asked = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        asked.request("POST", "/", b"x" * 3_000_000)
        answer = asked.getresponse()
        assert (answer.status, answer.read()) == (413, b'{"status":413}')
        asked.close()


def test_every_address_and_method_goes_to_the_function() -> None:
    """What API Gateway has no resource for it would answer in its own words, to a patient in
    JSON.
    """
    integration = {"x-amazon-apigateway-integration": {"uri": "the function"}}
    routes = {
        "/{clinic}": {"get": {**integration, "parameters": [{"name": "clinic"}]}},
        "/q/{code}": {"get": {}},
    }
    api = {"Properties": {"DefinitionBody": {"paths": routes}, "StageName": "api"}}
    template = everything_to_the_function({"Resources": {"RestAPI": api}})
    gateway = Gateway.of_template(template)
    for target in ("/", "/a", "/a/b/c", "/v1/clinics/x/status"):
        for method in METHODS:
            found = gateway.route(method.upper(), target)
            assert found is not None
            assert found[1] == ({"proxy": target[1:]} if target != "/" else {})
    for methods in template["Resources"]["RestAPI"]["Properties"]["DefinitionBody"][
        "paths"
    ].values():
        assert {
            str(each["x-amazon-apigateway-integration"]["uri"]) for each in methods.values()
        } == {"the function"}
