"""Files with classes and functions of the user's: how they are known by name. Nothing in a file is ever evaluated."""

from nncore._custom_objects import (
    CustomObjectScope,
    custom_object_scope,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
)
from nncore.models.saving import load_model

__all__ = ["CustomObjectScope", "custom_object_scope", "get_custom_objects", "get_registered_name",
           "get_registered_object", "load_model", "register_keras_serializable"]  # fmt: skip
