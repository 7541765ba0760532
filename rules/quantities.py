"""The catalogue: name, unit, honest range and meaning (zh/en) of every quantity that a device can measure.

Knows no device, no payload and no rule. Decoders read values through it, conditions are checked against it, pages take
their units and words from it.

    QuantityError (ValueError)    reason
    ├── UnknownQuantityError      unknown-quantity
    ├── WrongTypeError            wrong-type
    └── OutOfRangeError           out-of-range
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import inf
from types import MappingProxyType
from typing import ClassVar, Literal, TypeAlias

from rules.model import Value

QuantityKind: TypeAlias = Literal["number", "flag", "text"]

TEXT_LIMIT = 256
"""Characters of a text value."""
_LONG_TEXTS = {"report_text": 500}
"""What people write may be longer."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """One thing that can be measured. `low` and `high` are inclusive and hold for numbers only."""

    name: str
    unit: str
    kind: QuantityKind
    low: float
    high: float
    zh: str
    en: str


def _number(name: str, unit: str, low: float, high: float, zh: str, en: str) -> Quantity:
    return Quantity(name, unit, "number", float(low), float(high), zh, en)


def _flag(name: str, zh: str, en: str) -> Quantity:
    return Quantity(name, "", "flag", 0.0, 1.0, zh, en)


def _text(name: str, zh: str, en: str) -> Quantity:
    return Quantity(name, "", "text", -inf, inf, zh, en)


# Ranges say what nature and instruments can do, not what is usual: a fire must never be thrown away as implausible.
_ALL: tuple[Quantity, ...] = (
    # fire and its companions
    _flag("smoke", "烟雾报警", "smoke alarm"),
    _number("smoke_density", "dB/m", 0, 100, "减光率", "smoke obscuration"),
    _number("smoke_level", "", 0, 65_535, "烟雾原始值（型号间不可比）", "raw smoke count, differs by model"),
    _flag("heat", "感温报警", "heat alarm"),
    _flag("flame", "火焰报警", "flame alarm"),
    _number("temperature", "°C", -60, 1_500, "温度", "temperature"),
    _number("humidity", "%", 0, 100, "相对湿度", "relative humidity"),
    _number("co", "ppm", 0, 100_000, "一氧化碳浓度", "carbon monoxide concentration"),
    _flag("co_alarm", "一氧化碳报警", "carbon monoxide alarm"),
    _number("co2", "ppm", 0, 1_000_000, "二氧化碳浓度", "carbon dioxide concentration"),
    _number("oxygen", "%", 0, 100, "氧气浓度", "oxygen concentration"),
    _flag("gas", "可燃气体报警", "combustible gas alarm"),
    _number("gas_lel", "%LEL", 0, 100, "可燃气体浓度", "combustible gas, share of the lower explosive limit"),
    _number("thermal_max", "°C", -60, 2_000, "热成像最高温", "hottest point of the thermal image"),
    _number("thermal_mean", "°C", -60, 2_000, "热成像平均温", "mean of the thermal image"),
    _number("thermal_min", "°C", -60, 2_000, "热成像最低温", "coldest point of the thermal image"),
    _flag("call_point", "手动报警按钮已按下", "manual call point operated"),
    # the device's own condition
    _number("battery", "%", 0, 100, "电池电量", "battery charge"),
    _flag("battery_low", "电池电量低", "battery low"),
    _flag("mains_lost", "主电源中断", "mains power lost"),
    _flag("tamper", "被拆卸", "removed from its base, or opened"),
    _flag("fault", "故障", "fault"),
    _flag("test", "自检或测试中", "under test"),
    _flag("silenced", "已消音", "sounder silenced"),
    _text("command_id", "回复的指令编号", "id of the command that is answered"),
    _flag("command_ok", "指令已执行", "command carried out"),
    _flag("siren", "声光警报器鸣响", "sounder on"),
    _flag("online", "在线", "online"),
    _number("rssi", "dBm", -200, 30, "接收信号强度", "received signal strength"),
    _number("snr", "dB", -100, 100, "信噪比", "signal to noise ratio"),
    _number("linkquality", "", 0, 255, "链路质量", "link quality"),
    _number("device_temperature", "°C", -60, 300, "设备内部温度", "temperature inside the device"),
    # charging of electric bicycles
    _number("voltage", "V", 0, 100_000, "电压", "voltage"),
    _number("current", "A", -10_000, 10_000, "电流", "current"),
    _number("power", "W", -1_000_000, 1_000_000, "有功功率", "active power"),
    _number("energy", "kWh", 0, 1_000_000_000, "累计电量", "energy counted"),
    _number("port_temperature", "°C", -60, 1_500, "充电口温度", "temperature of the charging port"),
    _number("leakage_current", "mA", 0, 100_000, "剩余电流", "residual current"),
    _flag("relay_welded", "继电器粘连", "relay welded, power cannot be cut"),
    _flag("fuse_blown", "熔断器熔断", "fuse blown"),
    _flag("relay_closed", "继电器闭合（已通电）", "relay closed, power is on"),
    _flag("charging", "正在充电", "charging"),
    _number("charging_time", "s", 0, 31_536_000, "本次充电时长", "duration of this charge"),
    _number("float_time", "s", 0, 31_536_000, "浮充时长", "time since the charge fell to the float level"),
    _number("soc", "%", 0, 100, "电池荷电状态", "state of charge of the vehicle's battery"),
    # fire-fighting equipment
    _flag("discharged", "灭火器已使用或泄压", "extinguisher used or empty"),
    _flag("missing", "设备不在位", "equipment not in its place"),
    _number("pressure", "MPa", -0.11, 250, "压力（表压）", "gauge pressure"),
    _number("flow", "L/min", 0, 100_000, "流量", "flow"),
    _number("level", "m", 0, 1_000, "水位", "water level"),
    _flag("water_leak", "漏水", "water leak"),
    _flag("door_open", "防火门开启", "fire door open"),
    _flag("door_locked", "门禁锁闭", "door locked by access control"),
    _flag("lift_recalled", "电梯已迫降", "lift at the main floor, doors open"),
    _flag("valve_closed", "阀门关闭", "valve closed"),
    # what cameras see
    _text("object", "识别目标类别", "label of the recognised object"),
    _text("object_id", "识别目标编号", "identity of the recognised object"),
    _flag("object_left", "识别目标已离开", "the recognised object has left"),
    _number("score", "", 0, 1, "识别置信度", "confidence of the recognition"),
    _number("dwell", "s", 0, 31_536_000, "停留时长", "time the object has stayed in the area"),
    _number("vehicle_count", "", 0, 100_000, "车辆数", "vehicles in the area"),
    _number("person_count", "", 0, 100_000, "人数", "persons in the area"),
    _number("occupancy", "%", 0, 100, "占用率", "share of the area that is occupied"),
    _flag("motion", "有移动", "motion"),
    _flag("video_lost", "视频丢失", "video lost"),
    # what people see
    _text("reported", "上报类别", "what was reported: fire, smoke, lane, charging, other"),
    _text("report_text", "上报内容", "in the reporter's own words"),
    _text("photo", "上报照片", "name of the reporter's photo"),
    _number(
        "reporters",
        "",
        0,
        100_000,
        "上报火情人数",
        "different people who reported fire or smoke here within five minutes",
    ),
)

CATALOGUE: Mapping[str, Quantity] = MappingProxyType({q.name: q for q in _ALL})
"""Every quantity, by name."""

# What vendors and people write for it; nearness of letters would not find these.
_ALIASES: Mapping[str, str] = {
    "temp": "temperature",
    "smoke_density_dbm": "smoke_density",
    "smoke_concentration": "smoke_level",
    "obscuration": "smoke_density",
    "carbon_monoxide": "co_alarm",
    "device_fault": "fault",
    "trouble": "fault",
    "selftest": "test",
    "self_test": "test",
    "hush": "silenced",
    "silence": "silenced",
    "relay": "relay_closed",
    "output": "relay_closed",
    "locked": "door_locked",
    "contact": "door_open",
    "door": "door_open",
    "available": "online",
    "availability": "online",
    "label": "object",
    "signal": "rssi",
    "lqi": "linkquality",
    "alarm": "smoke",
    "manual_call_point": "call_point",
    "button": "call_point",
}
_NUMBERS = {q.name: (q.low, q.high) for q in _ALL if q.kind == "number"}
_FLAG_WORDS = {"on": True, "off": False, "true": True, "false": False}
_SHOWN = 40
"""Characters of a bad value or name that an error repeats."""


class QuantityError(ValueError):
    """A value that cannot be used, with one sentence of what is wrong and what to do."""

    reason: ClassVar[str]

    def __init__(self, name: str, message: str, remedy: str) -> None:
        super().__init__(f"{message}; {remedy}")
        self.name = name
        self.message = message
        self.remedy = remedy


class UnknownQuantityError(QuantityError):
    """The catalogue has no such name."""

    reason = "unknown-quantity"


class WrongTypeError(QuantityError):
    """Not the kind of value that this quantity has."""

    reason = "wrong-type"


class OutOfRangeError(QuantityError):
    """Nothing in the world measures this: an instrument's error code, a wrong unit, NaN."""

    reason = "out-of-range"


def read(name: str, value: object) -> Value:
    """A value from outside as the rules use it: numbers become floats, flags bools. Raises QuantityError.

    Strict, since a wrong guess here is a missed or a false fire: a bool is no number, a numeric text is no number.
    Flags may come as 0, 1, "ON", "OFF", "true", "false".
    """
    bounds = _NUMBERS.get(name)
    if bounds is not None:
        kind = type(value)
        # NaN fails the comparison; an int is compared exactly, before it could overflow a float
        if (kind is float or kind is int) and bounds[0] <= value <= bounds[1]:  # type: ignore[operator]
            return float(value)  # type: ignore[arg-type]
        raise _bad_number(CATALOGUE[name], value)
    if value is True or value is False:
        quantity = CATALOGUE.get(name)
        if quantity is not None and quantity.kind == "flag":
            return value
    return _read_slowly(name, value)


def suggest(name: str) -> str:
    """The quantity that was probably meant, or "" when none is near."""
    return _nearest(name.lower()) if len(name) <= _SHOWN else ""


@lru_cache(maxsize=1024)
def _nearest(name: str) -> str:
    if name in CATALOGUE:
        return name
    if name in _ALIASES:
        return _ALIASES[name]
    close = difflib.get_close_matches(name, CATALOGUE, 1, 0.7)
    return close[0] if close else ""


def _read_slowly(name: str, value: object) -> Value:
    quantity = CATALOGUE.get(name)
    if quantity is None:
        raise _unknown(name)
    if quantity.kind == "text":
        return _read_text(quantity, value)
    return _read_flag(quantity, value)


def _read_flag(quantity: Quantity, value: object) -> bool:
    if isinstance(value, str):
        word = _FLAG_WORDS.get(value.lower())
        if word is not None:
            return word
    elif type(value) is int and value in (0, 1):
        return value == 1
    remedy = 'send true or false (0, 1, "ON" and "OFF" will do)'
    raise WrongTypeError(quantity.name, f"`{quantity.name}` is a flag, not {_show(value)}", remedy)


def _read_text(quantity: Quantity, value: object) -> str:
    if not isinstance(value, str):
        raise WrongTypeError(quantity.name, f"`{quantity.name}` is a text, not {_show(value)}", "send a JSON string")
    limit = _LONG_TEXTS.get(quantity.name, TEXT_LIMIT)
    if len(value) > limit:
        message = f"`{quantity.name}` has {len(value)} characters"
        raise OutOfRangeError(quantity.name, message, f"send at most {limit}")
    return value


def _bad_number(quantity: Quantity, value: object) -> QuantityError:
    name, unit = quantity.name, f" {quantity.unit}" if quantity.unit else ""
    if type(value) not in (int, float):
        remedy = f"send a JSON number{f' in {quantity.unit}' if quantity.unit else ''}, without quotes"
        return WrongTypeError(name, f"`{name}` is a number, not {_show(value)}", remedy)
    remedy = f"send a number from {quantity.low:g} to {quantity.high:g}{unit}, or leave the field out"
    return OutOfRangeError(name, f"`{name}` cannot be {_show(value)}", remedy)


def _unknown(name: str) -> UnknownQuantityError:
    near = suggest(name)
    remedy = f"did you mean `{near}`?" if near else "see the catalogue in rules/quantities.py"
    return UnknownQuantityError(name, f"there is no quantity `{_clip(name)}`", remedy)


def _show(value: object) -> str:
    """What was sent, short: never the whole of a large or deep value."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, int):
        return str(value) if value.bit_length() <= 64 else f"an integer of {value.bit_length()} bits"
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, str):
        return f'the text "{_clip(value)}"'
    return "a list" if isinstance(value, (list, tuple)) else "an object"


def _clip(text: str) -> str:
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
