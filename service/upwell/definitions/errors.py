"""Errors of definitions and of their use, under the names that Dagster's users know and catch.

Each is also one of `upwell.errors`, so that code of ours catches those only:

DagsterError (UpwellError)
├── DagsterInvalidDefinitionError (DefinitionError)
│   └── DagsterInvalidDefinitionErrors (DefinitionErrors)   several at once
├── DagsterInvalidSubsetError (SelectionError)              half of something that cannot be divided
├── DagsterInvalidAssetSelectionError (SelectionError)      a selection string that cannot be read
├── DagsterUnknownPartitionError (PartitionError)
├── DagsterInvalidConfigError (ValueError)
├── DagsterInvalidMetadata (ValueError)
├── DagsterTypeCheckDidNotPass (TypeError)                  a value is not of the type that its signature names
├── DagsterAssetCheckFailedError (RunError)                 a blocking check did not pass
├── DagsterUnknownResourceError (AttributeError)            a function asks for a resource that is not there
├── DagsterUserCodeExecutionError                           a function of the user's raised; its error is the cause
│   └── DagsterResourceFunctionError                        it was to make a resource
├── DagsterInvalidInvocationError                           something was called in a way that it cannot be
└── DagsterInvariantViolationError                          user code broke a promise of its definition
    └── DagsterStepOutputNotFoundError                      it did not yield an output that is required
"""

from __future__ import annotations

from upwell.errors import DefinitionError, DefinitionErrors, PartitionError, RunError, SelectionError, UpwellError


class DagsterError(UpwellError):
    """The base of the errors that carry Dagster's names."""


class DagsterInvalidDefinitionError(DefinitionError, DagsterError):
    """A definition is wrong; says which, where and how to mend it."""


class DagsterInvalidDefinitionErrors(DefinitionErrors, DagsterInvalidDefinitionError):
    """Several definitions are wrong; `problems` has each of them."""


class DagsterInvalidSubsetError(SelectionError, DagsterError):
    """Part of something was selected that only runs as a whole."""


class DagsterInvalidAssetSelectionError(SelectionError, DagsterError):
    """A selection string that cannot be read."""


class DagsterUnknownPartitionError(PartitionError, DagsterError):
    """There is no partition of that key."""


class DagsterInvalidConfigError(DagsterError, ValueError):
    """Run config or resource config does not fit its schema."""


class DagsterInvalidMetadata(DagsterError, ValueError):
    """A metadata value of a type that cannot be stored or shown."""


class DagsterTypeCheckDidNotPass(DagsterError, TypeError):
    """A value is not of the type that the function's signature names."""


class DagsterUnknownResourceError(DagsterError, AttributeError):
    """A function asks for a resource that is not there."""


class DagsterUserCodeExecutionError(DagsterError):
    """A function of the user's raised an error, which is the cause of this one."""


class DagsterResourceFunctionError(DagsterUserCodeExecutionError):
    """A resource could not be made; what went wrong is the cause."""


class DagsterInvalidInvocationError(DagsterError):
    """Something was called with arguments that it cannot take."""


class DagsterInvariantViolationError(DagsterError):
    """User code did something that its definition rules out."""


class DagsterStepOutputNotFoundError(DagsterInvariantViolationError):
    """A computation ended without an output that is required."""


class DagsterAssetCheckFailedError(RunError, DagsterError):
    """A blocking check did not pass, and the caller asked to be told by an exception."""
