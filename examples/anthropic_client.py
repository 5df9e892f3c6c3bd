"""Talks to a running gateway with Anthropic's own client: plain and streaming, and what an error looks like.

    cargo run --release -- up examples/quickstart
    pip install anthropic && python examples/anthropic_client.py http://127.0.0.1:8080
"""

import sys

import anthropic

client = anthropic.Anthropic(base_url=sys.argv[1], api_key="unused", max_retries=0)
question = [{"role": "user", "content": "What holds the line?"}]

for model in ["large", "small"]:
    answer = client.messages.create(model=model, system="Be brief.", messages=question, max_tokens=5)
    text = answer.content[0].text
    assert answer.usage.output_tokens == 5 and len(text.split()) == 5 and answer.stop_reason == "max_tokens"
    print(f"{model}: {text!r}, {answer.usage.input_tokens} prompt tokens")

    with client.messages.stream(model=model, system="Be brief.", messages=question, max_tokens=5) as stream:
        streamed = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert streamed == text == final.content[0].text
    assert final.usage.output_tokens == 5 and final.stop_reason == "max_tokens"
    print(f"{model}, streamed: {streamed!r}")

try:
    client.messages.create(model="unknown", messages=question, max_tokens=5)
    raise AssertionError("an unknown model was answered")
except anthropic.NotFoundError as error:
    assert error.body["type"] == "error" and error.body["error"]["type"] == "not_found_error"
    print("unknown model:", error.body["error"]["message"])

try:
    client.messages.create(model="large", messages=question, max_tokens=-1)
    raise AssertionError("max_tokens -1 was accepted")
except anthropic.BadRequestError as error:
    assert error.body["error"]["type"] == "invalid_request_error"
    print("bad request:", error.body["error"]["message"])
