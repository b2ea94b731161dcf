"""What sensors are declared with, what they tell of it, and what is refused."""


def run(dg, kit):
    @dg.asset
    def orders():
        return 1

    @dg.asset
    def customers():
        return 1

    daily = dg.define_asset_job("daily", selection=[orders])
    hourly = dg.define_asset_job("hourly", selection=[customers])
    body, status = kit.body, dg.DefaultSensorStatus

    class Shop(dg.ConfigurableResource):
        url: str = "x"

    def with_shop(context, shop: Shop):
        return None

    def made(function=body, **options):
        return dg.sensor(**{"job": daily, **options})(function)

    def free(function=body, **options):
        return dg.sensor(**options)(function)

    return kit.outcomes(
        dg,
        {
            "name": lambda: [made().name, made(name="other").name, free().name],
            "name with a hyphen": lambda: made(name="a-b").name,
            "name of a word": lambda: made(name="type").name,
            "name of a keyword": lambda: made(name="class").name,
            "name is no text": lambda: made(name=1).name,
            "function's own names": lambda: [made().__name__, made().__doc__ == body.__doc__],
            "no function": lambda: dg.SensorDefinition(name="a", job=daily),
            "not a function": lambda: made(1),
            "by hand": lambda: dg.SensorDefinition("hand", evaluation_fn=body, job=daily).job_name,
            "interval": lambda: [
                made().minimum_interval_seconds,
                made(minimum_interval_seconds=5).minimum_interval_seconds,
            ],
            "interval of text": lambda: made(minimum_interval_seconds="5"),
            "interval of a fraction": lambda: made(minimum_interval_seconds=1.5),
            "description": lambda: [made().description, made(description="why").description],
            "status": lambda: [made().default_status.value, made(default_status=status.RUNNING).default_status.value],
            "status of text": lambda: made(default_status="RUNNING"),
            "statuses": lambda: sorted(one.value for one in status),
            "tags": lambda: [dict(made(tags={"a": "b", "n": 1}).tags), dict(made().tags)],
            "metadata": lambda: [made(metadata={"a": 1}).metadata["a"].value, dict(made().metadata)],
            "owners": lambda: list(made(owners=["team:data", "a@b.org"]).owners),
            "owner is none": lambda: made(owners=["somebody"]),
            "resource keys": lambda: sorted(made(required_resource_keys={"a"}).required_resource_keys),
            "resource arguments": lambda: sorted(made(with_shop).required_resource_keys),
            "resources both ways": lambda: made(with_shop, required_resource_keys={"a"}),
            "one job": lambda: [made().job_name, made().job.name, [job.name for job in made().jobs]],
            "several jobs": lambda: [job.name for job in free(jobs=[daily, hourly]).jobs],
            "several jobs' name": lambda: free(jobs=[daily, hourly]).job_name,
            "several jobs' job": lambda: free(jobs=[daily, hourly]).job,
            "no job's name": lambda: free().job_name,
            "no job": lambda: free().job,
            "no jobs": lambda: free().jobs,
            "job by name": lambda: [dg.sensor("daily")(body).job_name, free(job_name="hourly").job_name],
            "job by name, as such": lambda: free(job_name="daily").job,
            "job and jobs": lambda: free(job=daily, jobs=[hourly]),
            "job and assets": lambda: free(job=daily, asset_selection=[orders]),
            "job and target": lambda: free(job=daily, target=[orders]),
            "job is an asset": lambda: free(job=orders),
            "target is a job": lambda: free(target=daily).job_name,
            "target is assets": lambda: free(target=[orders, customers]).job_name,
            "target is text": lambda: free(target="orders").job_name,
            "target is an asset": lambda: free(target=orders).job_name,
            "target is a selection": lambda: free(target=dg.AssetSelection.all()).job_name,
            "assets": lambda: isinstance(free(asset_selection=[orders]).asset_selection, dg.AssetSelection),
            "no assets": lambda: free().asset_selection,
            "assets have no job": lambda: free(asset_selection=[orders]).job_name,
            "another job": lambda: [
                made().with_updated_job(hourly).job_name,
                [job.name for job in made().with_updated_jobs([daily, hourly]).jobs],
            ],
            "whether it has jobs": lambda: [made().has_jobs, free().has_jobs, free(target=[orders]).has_jobs],
            "kinds": lambda: [
                isinstance(made(), dg.SensorDefinition),
                isinstance(dg.asset_sensor(dg.AssetKey("orders"), job=daily)(body), dg.AssetSensorDefinition),
                isinstance(dg.multi_asset_sensor([dg.AssetKey("orders")])(body), dg.MultiAssetSensorDefinition),
            ],
            "asset sensor": lambda: dg.asset_sensor(dg.AssetKey("orders"), job=daily)(body).asset_key.to_user_string(),
            "asset sensor of text": lambda: dg.asset_sensor("orders", job=daily)(body),
            "asset sensor's name": lambda: dg.asset_sensor(dg.AssetKey("orders"), name="a b", job=daily)(body),
            "multi asset sensor of text": lambda: dg.multi_asset_sensor(["orders"])(body),
            "multi asset sensor of one key": lambda: dg.multi_asset_sensor(dg.AssetKey("orders"))(body),
            "multi asset sensor of a selection": lambda: dg.multi_asset_sensor(dg.AssetSelection.all())(body).name,
        },
    )
