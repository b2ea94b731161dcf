"""More of resources: counted per run, in checks and multi assets, dependencies of any type, failures, direct use."""

import os


def run(dg, kit):
    log = []

    class Counted(dg.ConfigurableResource):
        name: str = "c"

        def setup_for_execution(self, context):
            log.append("setup")

        def teardown_after_execution(self, context):
            log.append("teardown")

    class Inner(dg.ConfigurableResource):
        word: str = "w"

    class Outer(dg.ConfigurableResource):
        inner: Inner
        number: int = 1

        def text(self):
            return f"{self.inner.word} {self.number}"

    class Deep(dg.ConfigurableResource):
        outer: Outer

    class Client:
        def __init__(self, word):
            self.word = word

    class Makes(dg.ConfigurableResource[Client]):
        word: str = "made"

        def create_resource(self, context):
            return Client(self.word)

    class Depends(dg.ConfigurableResource):
        client: dg.ResourceDependency[Client]

        def text(self):
            return self.client.word

    class Bad(dg.ConfigurableResource):
        def setup_for_execution(self, context):
            raise ValueError("cannot open")

    class Listed(dg.ConfigurableResource):
        hosts: list[str] = []
        options: dict[str, int] = {}
        maybe: str | None = None

    class WithInner(dg.ConfigurableResource):
        class Settings(dg.Config):
            depth: int = 1

        settings: Settings = Settings()

    class Reads(dg.ConfigurableResource):
        def setup_for_execution(self, context):
            log.append([context.run_id is not None, type(context.log).__name__ != ""])

    def go(annotation, resource, use=lambda tool: "used", run_config=None, raises=True, **more):
        log.clear()

        def a(tool):
            log.append(use(tool))
            return 1

        def b(a, tool):
            log.append("b")

        a.__annotations__ = {"tool": annotation}
        b.__annotations__ = {"tool": annotation}
        result = dg.materialize(
            [dg.asset(a), dg.asset(b)],
            resources={"tool": resource, **more},
            run_config=run_config,
            raise_on_error=raises,
            instance=dg.DagsterInstance.ephemeral(),
        )
        return [result.success, list(log)]

    def checked():
        log.clear()

        @dg.asset
        def a():
            return 1

        @dg.asset_check(asset=a)
        def good(a, tool: Inner):
            log.append(tool.word)
            return dg.AssetCheckResult(passed=True)

        @dg.multi_asset(outs={"x": dg.AssetOut(), "y": dg.AssetOut()})
        def both(tool: Inner):
            log.append(tool.word)
            return 1, 2

        dg.materialize([a, good, both], resources={"tool": Inner(word="z")}, instance=dg.DagsterInstance.ephemeral())
        return list(log)

    def launched():
        inner = Inner.configure_at_launch()
        return go(
            Outer,
            Outer(inner=inner),
            lambda tool: tool.text(),
            run_config={"resources": {"inner": {"config": {"word": "launched"}}}},
            inner=inner,
        )

    def missing():
        @dg.asset
        def a(tool: Inner):
            return tool.word

        return dg.materialize([a], instance=dg.DagsterInstance.ephemeral()).success

    def of_job():
        @dg.asset
        def a(tool: Inner):
            return tool.word

        defs = dg.Definitions(
            assets=[a],
            resources={"tool": Inner.configure_at_launch()},
            jobs=[dg.define_asset_job("j", config={"resources": {"tool": {"config": {"word": "job"}}}})],
        )
        instance = dg.DagsterInstance.ephemeral()
        return defs.resolve_job_def("j").execute_in_process(instance=instance).output_for_node("a")

    def direct():
        @dg.asset
        def a(tool: Outer):
            return tool.text()

        return [a(Outer(inner=Inner(word="d"))), a(tool=Outer(inner=Inner(), number=3))]

    def direct_in_context():
        @dg.asset(required_resource_keys={"tool"})
        def a(context):
            return context.resources.tool

        return a(dg.build_asset_context(resources={"tool": "x"}))

    os.environ.update(PARITY_HOST="host", PARITY_NUMBER="5")
    env = dg.EnvVar
    return kit.outcomes(
        dg,
        {
            "counted": lambda: go(Counted, Counted()),
            "in checks and multi assets": lambda: sorted(checked()),
            "deep": lambda: go(Deep, Deep(outer=Outer(inner=Inner(word="x"))), lambda tool: tool.outer.text()),
            "depends on a value": lambda: go(Depends, Depends(client=Client("given")), lambda tool: tool.text()),
            "depends on a factory": lambda: go(Depends, Depends(client=Makes(word="f")), lambda tool: tool.text()),
            "factory by parameter": lambda: go(dg.ResourceParam[Client], Makes(), lambda tool: tool.word),
            "factory by annotation": lambda: go(Makes, Makes(), lambda tool: tool.word),
            "setup fails": lambda: go(Bad, Bad()),
            "setup fails without raising": lambda: go(Bad, Bad(), raises=False),
            "inner by launch": launched,
            "missing": missing,
            "in a job": of_job,
            "direct": direct,
            "direct in context": direct_in_context,
            "lists": lambda: go(Listed, Listed(hosts=["a"], options={"x": 1}), lambda tool: [tool.hosts, tool.options]),
            "lists by the run": lambda: go(
                Listed,
                Listed.configure_at_launch(),
                lambda tool: [tool.hosts, tool.options, tool.maybe],
                run_config={"resources": {"tool": {"config": {"hosts": ["h"], "maybe": "m"}}}},
            ),
            "settings": lambda: go(WithInner, WithInner(), lambda tool: tool.settings.depth),
            "settings by the run": lambda: go(
                WithInner,
                WithInner.configure_at_launch(),
                lambda tool: tool.settings.depth,
                run_config={"resources": {"tool": {"config": {"settings": {"depth": 4}}}}},
            ),
            "context of setup": lambda: go(Reads, Reads()),
            "environment in an inner one": lambda: go(
                Outer,
                Outer(inner=Inner(word=env("PARITY_HOST")), number=env.int("PARITY_NUMBER")),
                lambda tool: tool.text(),
            ),
            "environment value": lambda: [env("PARITY_HOST").get_value(), env("PARITY_NOT").get_value("d")],
            "environment int value": lambda: env.int("PARITY_NUMBER").get_value(),
            "environment as text": lambda: str(env("PARITY_HOST")),
            "environment as int": lambda: int(env.int("PARITY_NUMBER")) + 1,
            "from the environment before": lambda: Inner(word=env("PARITY_HOST")).word == "host",
            "wrong class": lambda: go(Inner, "text", lambda tool: tool),
        },
    )
