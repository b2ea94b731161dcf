"""Two dimensions, and dynamic keys: what exists, ranges, keys by a part, windows, dynamic dimensions."""


def run(dg, kit):
    regions = dg.StaticPartitionsDefinition(["us", "eu", "asia"])
    days = dg.DailyPartitionsDefinition("2024-01-01", end_date="2024-01-04")
    both = dg.MultiPartitionsDefinition({"region": regions, "day": days})
    names = dg.MultiPartitionsDefinition({"b": regions, "a": dg.StaticPartitionsDefinition(["x", "y"])})
    times = dg.MultiPartitionsDefinition({"day": days, "month": dg.MonthlyPartitionsDefinition("2024-01-01")})
    shops = dg.DynamicPartitionsDefinition(name="shops")
    open_shops = dg.MultiPartitionsDefinition({"shop": shops, "day": days})
    key = dg.MultiPartitionKey
    instance = dg.DagsterInstance.ephemeral()
    instance.add_dynamic_partitions("shops", ["s2", "s1"])

    def between(definition, start, end):
        return lambda: [str(one) for one in definition.get_partition_keys_in_range(dg.PartitionKeyRange(start, end))]

    def window(definition, one):
        found = definition.time_window_for_partition_key(one)
        return [found.start.isoformat(), found.end.isoformat()]

    return kit.outcomes(
        dg,
        {
            "dimensions": lambda: [[one.name for one in both.partitions_defs], list(names.partition_dimension_names)],
            "keys": lambda: [str(one) for one in names.get_partition_keys()],
            "parts": lambda: [dict(one.keys_by_dimension) for one in names.get_partition_keys()[:2]],
            "has": lambda: [
                both.has_partition_key(one)
                for one in (
                    "2024-01-02|us",
                    "us|2024-01-02",
                    "2024-01-09|us",
                    "2024-01-02",
                    "2024-01-02|us|x",
                    "",
                    key({"region": "eu", "day": "2024-01-01"}),
                )
            ],
            "other dimensions": lambda: both.has_partition_key(key({"x": "eu", "day": "2024-01-01"})),
            "count": lambda: [both.get_num_partitions(), names.get_num_partitions()],
            "first and last": lambda: [
                str(both.get_first_partition_key()),
                str(both.get_last_partition_key()),
                str(names.get_last_partition_key()),
            ],
            "range": between(both, "2024-01-01|us", "2024-01-02|eu"),
            "range back": between(both, "2024-01-02|us", "2024-01-01|eu"),
            "range of names": between(names, "x|us", "y|eu"),
            "range of no key": between(both, "2024-01-01|mars", "2024-01-02|eu"),
            "one dimension": lambda: both.get_partitions_def_for_dimension("region") == regions,
            "no such dimension": lambda: both.get_partitions_def_for_dimension("planet") and 1,
            "by a part": lambda: [
                str(one) for one in both.get_multipartition_keys_with_dimension_value("region", "eu")
            ],
            "by parts": lambda: [
                str(one) for one in both.get_multipartition_keys_with_dimension_values("region", ["eu", "asia"])
            ],
            "tags": lambda: [both.get_tags_for_partition_key("2024-01-02|us"), days.get_tags_for_partition_key("x")],
            "from text": lambda: dict(both.get_partition_key_from_str("2024-01-02|us").keys_by_dimension),
            "from short text": lambda: both.get_partition_key_from_str("2024-01-02") and 1,
            "window": lambda: window(both, key({"region": "eu", "day": "2024-01-02"})),
            "window of text": lambda: window(both, "2024-01-02|eu"),
            "no window": lambda: window(names, "x|us"),
            "two windows": lambda: window(times, "2024-01-02|2024-01-01"),
            "has time": lambda: [both.has_time_window_dimension, names.has_time_window_dimension],
            "time dimension": lambda: both.time_window_dimension.name,
            "bad part": lambda: (
                dg.MultiPartitionsDefinition({"a": dg.StaticPartitionsDefinition(["x|y"]), "b": regions}) and 1
            ),
            "comma": lambda: (
                dg.MultiPartitionsDefinition({"a": dg.StaticPartitionsDefinition(["x,y"]), "b": regions}) and 1
            ),
            "equal": lambda: [
                both == dg.MultiPartitionsDefinition({"day": days, "region": regions}),
                both == names,
                key({"b": "1", "a": "2"}) == key({"a": "2", "b": "1"}),
                key({"b": "1", "a": "2"}) == "2|1",
                hash(key({"b": "1", "a": "2"})) == hash("2|1"),
            ],
            "key of numbers": lambda: key({"a": 1, "b": "x"}) and 1,
            "dynamic dimension": lambda: [
                str(one) for one in open_shops.get_partition_keys(dynamic_partitions_store=instance)
            ],
            "dynamic without a store": lambda: open_shops.get_partition_keys() and 1,
            "dynamic keys": lambda: [
                list(shops.get_partition_keys(dynamic_partitions_store=instance)),
                shops.has_partition_key("s1", dynamic_partitions_store=instance),
                shops.has_partition_key("s3", dynamic_partitions_store=instance),
            ],
            "dynamic of no name": lambda: list(dg.DynamicPartitionsDefinition().get_partition_keys()),
            "dynamic equal": lambda: [
                shops == dg.DynamicPartitionsDefinition(name="shops"),
                shops == dg.DynamicPartitionsDefinition(name="others"),
            ],
            "delete request": lambda: [
                shops.build_delete_request(["s1"]).partitions_def_name,
                list(shops.build_delete_request(["s1"]).partition_keys),
            ],
            "request of text": lambda: shops.build_add_request("s1") and 1,
            "add a list": lambda: [
                instance.add_dynamic_partitions("order", ["c", "a"]),
                instance.add_dynamic_partitions("order", ["b", "a"]),
                instance.delete_dynamic_partition("order", "c"),
                instance.add_dynamic_partitions("order", ["c"]),
                list(instance.get_dynamic_partitions("order")),
            ],
        },
    )
