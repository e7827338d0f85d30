export const SAMPLE_ANSWER = `A **binary search** halves the range with every step, so it needs about log₂ *n* comparisons.

## How it works

1. Look at the middle element.
2. Smaller than the target? Go on with the right half.
3. Larger? Go on with the left half.

\`\`\`python
def binary_search(items: list[int], target: int) -> int | None:
    """Index of target in sorted items, or None."""
    low, high = 0, len(items) - 1
    while low <= high:
        middle = (low + high) // 2
        if items[middle] == target:
            return middle
        if items[middle] < target:
            low = middle + 1
        else:
            high = middle - 1
    return None
\`\`\`

## How it compares

| Search | Sorted input | Comparisons for 1,000,000 |
| --- | :---: | ---: |
| Linear | no | 1,000,000 |
| Binary | yes | 20 |
| Interpolation | yes, evenly spread | about 5 |

- [x] Works on any sorted list
- [ ] Doesn’t work on linked lists, see [the article](https://en.wikipedia.org/wiki/Binary_search)

> Use \`bisect\` from the standard library where you can.
`;
