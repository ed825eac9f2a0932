"""Response messages: how an answer says that one thing of a request went well or badly."""

from __future__ import annotations

from runner.sandbox.failures import EwsError
from runner.sandbox.wire import escape


def success(operation: str, content: str = "") -> str:
    """One response message of class Success."""
    return (
        f'<m:{operation}ResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode>'
        f"{content}</m:{operation}ResponseMessage>"
    )


def failure(operation: str, error: EwsError, tail: str = "", *, severity: str = "Error") -> str:
    """One response message of class Error or Warning; ``tail`` is what the operation adds to its errors."""
    values = "".join(f'<t:Value Name="{escape(name)}">{escape(text)}</t:Value>' for name, text in error.values.items())
    return (
        f'<m:{operation}ResponseMessage ResponseClass="{severity}"><m:MessageText>{escape(error.text)}</m:MessageText>'
        f"<m:ResponseCode>{error.code}</m:ResponseCode><m:DescriptiveLinkKey>0</m:DescriptiveLinkKey>"
        + (f"<m:MessageXml>{values}</m:MessageXml>" if values else "")
        + f"{tail}</m:{operation}ResponseMessage>"
    )
