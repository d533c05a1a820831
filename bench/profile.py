"""stub"""


def main(case: str) -> int:
    return 0
