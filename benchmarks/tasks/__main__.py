"""Print the table of lines."""

from benchmarks.tasks import table

if __name__ == "__main__":
    print(table())
    print("\n\\* its formula is in the lines. — the library has nothing for it.")
