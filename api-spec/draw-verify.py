#!/usr/bin/env python3
"""Draws a week's spot checks again. Python's standard library, nothing else; the rule is draw.md beside this file.

    python3 draw-verify.py pack.json
    python3 draw-verify.py --vectors draw-vectors.json
"""
import hashlib
import json
import sys

QUOTA = [("main_road", 2), ("back_street", 2), ("residential", 1), ("market", 1), ("construction", 1), ("toilet", 1),
         ("other", 1)]


def sha(text):
    return hashlib.sha256(text.encode()).hexdigest()  # hexadecimal digits sort as the bytes do


def best(key, code, weight):
    return min(sha(f"{key}{code}#{n}") for n in range(1, weight + 1)) if weight > 1 else sha(key + code)


def draw_unit(key, unit, stand_ins):
    left = {kind: [code for _, code in sorted((best(key, s["code"], s["weight"]), s["code"])
                                              for s in unit["sites"] if s["kind"] == kind)] for kind, _ in QUOTA}
    kinds = [kind for kind, count in QUOTA for _ in range(count)]
    slots = [(left[kind].pop(0) if left[kind] else None) for kind in kinds]
    for n, kind in enumerate(kinds):
        source = next((other for other in stand_ins.get(kind, []) if left[other]), None)
        if slots[n] is None and source:
            slots[n] = left[source].pop(0)
    picks = [{"slot": n + 1, "kind": kinds[n], "site": site} for n, site in enumerate(slots) if site]
    return picks, {kind: codes for kind, codes in left.items() if codes}


def draw(frame, frame_sha256, seed):
    key, second = sha(seed), sha("recheck|" + seed)
    days, teams, bands = frame["days"], frame["teams"], frame["bands"]
    round_ = sorted((unit["code"] for unit in frame["units"]), key=lambda code: sha(f"{key}round|{code}"))
    units = []
    for unit in frame["units"]:
        picks, reserves = draw_unit(key, unit, frame["substitution"]["stand_ins"])
        way = sorted((pick["site"] for pick in picks), key=lambda site: sha(f"{key}order|{site}"))
        for pick in picks:
            pick["order"] = way.index(pick["site"]) + 1
        n = round_.index(unit["code"])
        units.append({"code": unit["code"], "day": days[n % len(days)], "team": teams[n // len(days) % len(teams)],
                      "band": bands[n // len(days) // len(teams) % len(bands)], "picks": picks, "reserves": reserves})
    visits = sorted(((u, p) for u in units for p in u["picks"]), key=lambda visit: sha(second + visit[1]["site"]))
    many = frame["recheck_per_mille"]
    count = max((len(visits) * many + 500) // 1000, 1 if many else 0)
    again = []
    for unit, pick in visits[:count]:
        others = [team for team in teams if team != unit["team"]]
        if others:
            team = min(others, key=lambda team: sha(f"{second}team|{pick['site']}|{team}"))
            day = days[min(days.index(unit["day"]) + 1, len(days) - 1)]
            again.append({"unit": unit["code"], "slot": pick["slot"], "site": pick["site"], "team": team, "day": day})
    return {"format": "chengguan-draw-result/1", "week": frame["week"], "frame_sha256": frame_sha256, "seed_sha256": key,
            "units": units, "rechecks": again}


def mismatch(pack):
    """The first thing that does not agree, or None."""
    if pack["format"] != "chengguan-draw-pack/1":
        return "format"
    if sha(pack["frame"]) != pack["frame_sha256"]:
        return "frame"
    frame = json.loads(pack["frame"])
    if frame["format"] != "chengguan-draw-frame/1" or frame["rule"] != "1":
        return "format"
    sources, nonces = pack["sources"], pack["nonces"]
    if [(s["name"], s["issue"]) for s in sources] != [(s["name"], s["issue"]) for s in frame["sources"]]:
        return "sources"
    if [n["unit"] for n in nonces] != ["centre"] + [unit["code"] for unit in frame["units"]]:
        return "nonce"
    if nonces[0]["nonce"] is None or nonces[0]["commitment"] != frame["centre_commitment"]:
        return "nonce"
    if any(n["nonce"] is not None and sha(n["nonce"]) != n["commitment"] for n in nonces):
        return "nonce"
    parts = [f"{s['name']}:{s['issue']}={s['result']}" for s in sources]
    parts += [f"nonce:{n['unit']}={'0' * 64 if n['nonce'] is None else n['nonce']}" for n in nonces]
    if "|".join([frame["week"]] + parts) != pack["seed"]:
        return "seed"
    result = draw(frame, pack["frame_sha256"], pack["seed"])
    if json.dumps(result, ensure_ascii=False, sort_keys=True, separators=(",", ":")) != pack["result"]:
        return "draw"
    return None if sha(pack["result"]) == pack["result_sha256"] else "result"


def main():
    with open(sys.argv[-1], encoding="utf-8") as file:
        given = json.load(file)
    if sys.argv[1] != "--vectors":
        wrong = mismatch(given)
        print(f"{json.loads(given['frame'])['week']}: " + (f"DOES NOT AGREE: {wrong}" if wrong else "agrees"))
        print(f"frame {given['frame_sha256']}\nresult {given['result_sha256']}\ncompare them with the transparency log")
        return 1 if wrong else 0
    bad = [code for seed, code, weight, ticket in given["tickets"] if best(sha(seed), code, weight) != ticket]
    bad += [one["name"] for one in given["packs"] if mismatch(one["pack"]) != one["mismatch"]]
    print(f"{len(given['tickets'])} tickets, {len(given['packs'])} packs, differing: {bad}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
