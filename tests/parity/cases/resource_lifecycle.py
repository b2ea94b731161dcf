"""Resources: set up and torn down, nested, configured by the run, from the environment, as functions."""

import os


def run(dg, kit):
    seen = []

    class Shop(dg.ConfigurableResource):
        url: str = "x"
        port: int = 80

    class Opened(dg.ConfigurableResource):
        name: str = "o"

        def setup_for_execution(self, context):
            seen.append(f"setup {self.name}")

        def teardown_after_execution(self, context):
            seen.append(f"teardown {self.name}")

    class Yielded(dg.ConfigurableResource):
        name: str = "y"

        def yield_for_execution(self, context):
            seen.append("before")
            try:
                yield self
            finally:
                seen.append("after")

    class Yields(dg.ConfigurableResource):
        from contextlib import contextmanager

        @contextmanager
        def yield_for_execution(self, context):
            seen.append(["enter", type(context).__name__ == "InitResourceContext"])
            yield self
            seen.append("exit")

    class Outer(dg.ConfigurableResource):
        shop: Shop
        path: str = "p"

        def text(self):
            return f"{self.shop.url}:{self.shop.port}/{self.path}"

    class Around(dg.ConfigurableResource):
        opened: Opened

        def setup_for_execution(self, context):
            seen.append("setup around")

        def teardown_after_execution(self, context):
            seen.append("teardown around")

    class Factory(dg.ConfigurableResource):
        n: int = 1

        def create_resource(self, context):
            return [self.n, "made"]

    class Private(dg.ConfigurableResource):
        n: int = 1
        _made: int = 0

        def setup_for_execution(self, context):
            self._made = self.n + 1

        def made(self):
            return self._made

    class Bare(dg.ConfigurableResource):
        tool: dg.ResourceDependency[dg.ResourceParam[str]]

    def go(annotation, resource, use=lambda tool: tool, run_config=None, more=None):
        seen.clear()

        def a(tool):
            seen.append(use(tool))

        a.__annotations__ = {"tool": annotation}
        result = dg.materialize(
            [dg.asset(a)],
            resources={"tool": resource, **(more or {})},
            run_config=run_config,
            instance=dg.DagsterInstance.ephemeral(),
        )
        return [result.success, *seen]

    def by_key(resource, use=lambda tool: tool, run_config=None, more=None):
        seen.clear()

        @dg.asset(required_resource_keys={"tool"})
        def a(context):
            seen.append(use(context.resources.tool))

        dg.materialize(
            [a],
            resources={"tool": resource, **(more or {})},
            run_config=run_config,
            instance=dg.DagsterInstance.ephemeral(),
        )
        return list(seen)

    def failing(resource):
        seen.clear()

        @dg.asset
        def a(tool: Opened):
            raise ValueError("x")

        result = dg.materialize(
            [a], resources={"tool": resource}, raise_on_error=False, instance=dg.DagsterInstance.ephemeral()
        )
        return [result.success, *seen]

    def twice(resource):
        seen.clear()

        @dg.asset
        def a(tool: Opened):
            seen.append("a")
            return 1

        @dg.asset
        def b(a, tool: Opened):
            seen.append("b")

        dg.materialize([a, b], resources={"tool": resource}, instance=dg.DagsterInstance.ephemeral())
        return sorted(set(seen), key=str)

    @dg.resource
    def plain(context):
        return "plain"

    @dg.resource
    def without():
        return "without"

    @dg.resource(config_schema={"n": int, "s": dg.Field(str, default_value="d")})
    def configured(context):
        return [context.resource_config["n"], context.resource_config["s"]]

    @dg.resource(config_schema=int)
    def number(context):
        return context.resource_config

    @dg.resource
    def generated(context):
        seen.append("opened")
        yield "generated"
        seen.append("closed")

    @dg.resource(required_resource_keys={"base"})
    def above(context):
        return f"above {context.resources.base}"

    os.environ.update(PARITY_URL="http://env", PARITY_PORT="99", PARITY_WORD="word")
    env = dg.EnvVar
    url = lambda tool: [tool.url, tool.port]  # noqa: E731

    def config(**fields):
        return {"resources": {"tool": {"config": fields}}}

    return kit.outcomes(
        dg,
        {
            "lifecycle": lambda: go(Opened, Opened(), lambda tool: "use"),
            "lifecycle of a failure": lambda: failing(Opened()),
            "lifecycle of two steps": lambda: twice(Opened()),
            "yields": lambda: go(Yields, Yields(), lambda tool: "use"),
            "nested": lambda: go(Outer, Outer(shop=Shop(url="u")), lambda tool: tool.text()),
            "nested lifecycle": lambda: go(Around, Around(opened=Opened(name="in")), lambda tool: "use"),
            "factory": lambda: go(dg.ResourceParam[list], Factory(n=3)),
            "private": lambda: go(Private, Private(n=3), lambda tool: tool.made()),
            "environment": lambda: go(Shop, Shop(url=env("PARITY_URL")), url),
            "environment for an int": lambda: go(Shop, Shop(url="a", port=env.int("PARITY_PORT")), url),
            "environment of a nested one": lambda: go(
                Outer, Outer(shop=Shop(url=env("PARITY_URL"))), lambda tool: tool.text()
            ),
            "environment wrong": lambda: go(Shop, Shop(port=env.int("PARITY_WORD")), url),
            "environment missing": lambda: go(Shop, Shop(url=env("PARITY_NOT_THERE")), url),
            "configured by the run": lambda: go(Shop, Shop.configure_at_launch(), url, config(url="r", port=1)),
            "partly by the run": lambda: go(Shop, Shop.configure_at_launch(port=5), url, config(url="r")),
            "run config over": lambda: go(Shop, Shop(url="a"), url, config(url="r")),
            "run config wrong": lambda: go(Shop, Shop(url="a"), url, config(port="r")),
            "run config unknown field": lambda: go(Shop, Shop(url="a"), url, config(zzz="r")),
            "run config unknown resource": lambda: go(Shop, Shop(), url, {"resources": {"zzz": {"config": {}}}}),
            "run config missing": lambda: go(Outer, Outer.configure_at_launch(), lambda tool: tool.text()),
            "run config as an object": lambda: go(
                Shop, Shop.configure_at_launch(), url, dg.RunConfig(resources={"tool": Shop(url="obj", port=2)})
            ),
            "wrong type at construction": lambda: Shop(port="x").port,
            "unknown field at construction": lambda: Shop(zzz=1).port,
            "frozen": lambda: setattr(Shop(), "port", 3),
            "equal": lambda: Shop(url="a") == Shop(url="a"),
            "function": lambda: by_key(plain),
            "function called": lambda: by_key(dg.resource(lambda context: 5)),
            "function without context": lambda: by_key(without),
            "function by parameter": lambda: go(dg.ResourceParam[str], plain),
            "function configured": lambda: by_key(configured.configured({"n": 3})),
            "function configured by the run": lambda: by_key(configured, run_config=config(n=4, s="q")),
            "function not configured": lambda: by_key(configured),
            "function configured wrong": lambda: by_key(configured, run_config=config(n="x")),
            "number": lambda: by_key(number, run_config={"resources": {"tool": {"config": 5}}}),
            "generator": lambda: by_key(generated),
            "above": lambda: by_key(above, more={"base": "base"}),
            "above missing": lambda: by_key(above),
            "hardcoded": lambda: by_key(dg.ResourceDefinition.hardcoded_resource("R")),
            "none": lambda: by_key(dg.ResourceDefinition.none_resource()),
            "direct function": lambda: plain(dg.build_init_resource_context()),
            "direct function configured": lambda: configured(dg.build_init_resource_context(config={"n": 1, "s": "t"})),
            "build_resources": lambda: _built(dg, {"shop": Shop(url="b"), "plain": plain, "text": "t"}),
        },
    )


def _built(dg, resources):
    with dg.build_resources(resources) as found:
        return [found.shop.url, found.plain, found.text]
