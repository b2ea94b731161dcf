"""Run requests, reasons and results by themselves: what they take, and what they refuse."""


def run(dg, kit):
    want, skip, result = dg.RunRequest, dg.SkipReason, dg.SensorResult
    add, delete = dg.AddDynamicPartitionsRequest, dg.DeleteDynamicPartitionsRequest
    key = dg.AssetKey("orders")
    request = want("k", {"a": 1}, {"b": "c"}, "daily", [key])
    questions = {
        "in order": lambda: kit.request(request),
        "equal": lambda: [want("a") == want("a"), want("a") == want("b"), skip("a") == skip("a")],
        "replaced": lambda: kit.request(request.with_replaced_attrs(run_key="z", tags={})),
        "defaults": lambda: [want().run_key, dict(want().run_config), dict(want().tags), want().stale_assets_only],
        "partition": lambda: want(partition_key="2024").partition_key,
        "key is no text": lambda: want(run_key=1),
        "tag's name is no text": lambda: want(tags={1: "a"}),
        "assets are no keys": lambda: want(asset_selection=["orders"]),
        "assets are no list": lambda: want(asset_selection=key),
        "partition is no text": lambda: want(partition_key=1),
        "reason": lambda: [skip("a").skip_message, skip().skip_message],
        "reason is no text": lambda: skip(1),
        "result": lambda: [
            list(result().run_requests),
            result().skip_reason,
            result().cursor,
            list(result().dynamic_partitions_requests),
            list(result().asset_events),
        ],
        "result with text": lambda: result(skip_reason="a").skip_reason.skip_message,
        "result with both": lambda: result(run_requests=[want()], skip_reason="a"),
        "result with an empty list": lambda: result(run_requests=[], skip_reason="a").skip_reason.skip_message,
        "result's cursor is no text": lambda: result(cursor=1),
        "result's runs are none": lambda: result(run_requests=[1]),
        "result's runs are one": lambda: result(run_requests=want()),
        "result's events": lambda: len(
            result(asset_events=[dg.AssetMaterialization("a"), dg.AssetObservation("a")]).asset_events
        ),
        "result's events are none": lambda: result(asset_events=[1]),
        "result's events are check results": lambda: result(asset_events=[dg.AssetCheckResult(passed=True)]),
        "add": lambda: [add("days", ["a"]).partitions_def_name, list(add("days", ["a"]).partition_keys)],
        "delete": lambda: [delete("days", ["a"]).partitions_def_name, list(delete("days", ["a"]).partition_keys)],
        "add is no delete": lambda: isinstance(add("days", ["a"]), dg.DeleteDynamicPartitionsRequest),
        "add a tuple": lambda: add("days", ("a",)),
        "add numbers": lambda: add("days", [1]),
        "result's partitions are none": lambda: result(dynamic_partitions_requests=["a"]),
    }
    return kit.outcomes(dg, questions)
