"""Runs scenarios in a real browser: Debian's Chromium, driven by Playwright.

Reads a line of JSON: `chromium` is the program of the browser, `auth`, `resource` and `app` are the
addresses of a local stack, and `mails` is the folder of its mails. The arguments name the modules
whose scenarios run. Prints the number of scenarios that passed. A failure names the scenario, the
cause, and what the page shows.

To look at every page: scripts/screenshots FOLDER
"""

import argparse
import faulthandler
import importlib
import json
import pathlib
import sys
import time
import traceback

from playwright.sync_api import sync_playwright

sys.dont_write_bytecode = True  # The folder is part of the sources.

from world import World, launch

# Longer than a scenario takes, in seconds. A browser that hangs then ends, with the place where it
# hangs.
LIMIT = 550
LIMIT_ALL_LOOKS = 3000


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("modules", nargs="*")
    parser.add_argument("--only", default="", help="run the scenarios whose names contain this")
    parser.add_argument("--screenshots", type=pathlib.Path, metavar="FOLDER")
    args = parser.parse_args()
    given = json.loads(input())
    with sync_playwright() as playwright:
        browser = launch(playwright, given["chromium"])
        world = World(browser, given)
        if args.screenshots:
            importlib.import_module("screenshots").take(world, args.screenshots)
            passed, failed = 0, []
        else:
            passed, failed = run_scenarios(world, args.modules, args.only)
        browser.close()
    print(json.dumps(passed))
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


def run_scenarios(world, modules, only):
    passed, failed = 0, []
    for module in modules:
        for scenario in importlib.import_module(module).SCENARIOS:
            name = f"{module}.{scenario.__name__}"
            if only not in name:
                continue
            began = time.monotonic()
            if run(world, name, scenario):
                passed += 1
                print(f"{time.monotonic() - began:5.1f} s  {name}", file=sys.stderr)
            else:
                failed.append(name)
    return passed, failed


def run(world, name, scenario):
    """Runs a scenario with visitors of its own. Returns whether it passed."""
    limit = LIMIT_ALL_LOOKS if world.all_looks else LIMIT
    faulthandler.dump_traceback_later(limit, exit=True)
    try:
        scenario(world)
        world.check_visitors()
    except Exception as error:
        print(f"--- {name} failed\n{cause(error)}", file=sys.stderr)
        print(world.describe_pages(), file=sys.stderr)
        return False
    else:
        return True
    finally:
        world.close_visitors()


def cause(error):
    """Returns an error with the lines of this folder that led to it."""
    folder = str(pathlib.Path(__file__).parent)
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if frame.filename.startswith(folder)]
    lines = traceback.format_list(ours) + traceback.format_exception_only(error)
    return "".join(lines)


main()
