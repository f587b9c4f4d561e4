"""Tests of the page in a real browser: python main.py SCENARIO ORIGIN [ARGUMENT...]. Prints ok."""

import sys

import scenarios

if __name__ == "__main__":
    name, origin, *arguments = sys.argv[1:]
    getattr(scenarios, name)(origin, *arguments)
    print("ok")
