"""Changes to dynamic partitions, and asset events, as a sensor asks for them."""


def run(dg, kit):
    add, delete, result = dg.AddDynamicPartitionsRequest, dg.DeleteDynamicPartitionsRequest, dg.SensorResult

    def tick(**fields):
        @dg.sensor()
        def looking(context):
            return result(**fields)

        data = looking.evaluate_tick(dg.build_sensor_context())
        changes = [
            [type(one).__name__, one.partitions_def_name, list(one.partition_keys)]
            for one in data.dynamic_partitions_requests
        ]
        events = [[type(one).__name__, one.asset_key.to_user_string(), one.partition] for one in data.asset_events]
        return [changes, events, bool(data.skip_message), data.cursor]

    def changing(*changes):
        return lambda: tick(dynamic_partitions_requests=list(changes))

    evaluation = dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey("orders"),
        check_name="whole",
        passed=True,
        metadata={},
        severity=dg.AssetCheckSeverity.WARN,
    )
    return kit.outcomes(
        dg,
        {
            "add": changing(add("days", ["a", "b"])),
            "delete": changing(delete("days", ["a"])),
            "both": changing(add("days", ["a"]), delete("days", ["b"])),
            "the same of two": changing(add("days", ["a"]), delete("weeks", ["a"])),
            "add and delete one": changing(add("days", ["a", "b"]), delete("days", ["b"])),
            "add twice": changing(add("days", ["a"]), add("days", ["a", "c"])),
            "delete twice": changing(delete("days", ["a"]), delete("days", ["a"])),
            "events": lambda: tick(
                asset_events=[
                    dg.AssetMaterialization("orders", partition="a"),
                    dg.AssetObservation(dg.AssetKey(["shop", "orders"])),
                    evaluation,
                ]
            )[1:2],
            "events and a cursor": lambda: tick(asset_events=[dg.AssetMaterialization("orders")], cursor="9"),
            "with a run and no target": lambda: tick(run_requests=[dg.RunRequest()]),
        },
    )
