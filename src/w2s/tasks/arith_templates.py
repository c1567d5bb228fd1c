"""Templates of `arith`: (name, skills, text, values, steps).

`values`: `a=3..40` a range, `p=10|20|50` a choice, `n=q*b` a formula. `steps`: `result = formula: words`; the last is
the answer. `skills`: beyond adding and subtracting.
"""

from __future__ import annotations

NAMES = ["Anna", "Ben", "Carla", "David", "Emma", "Felix", "Grace", "Henry", "Maria", "Tina"]
THINGS = [
    "apples", "books", "cards", "coins", "cookies", "eggs", "flowers", "marbles", "pencils", "stamps", "stickers", "toys",
]  # fmt: skip

Row = tuple[str, str, str, str, str]

ROWS: tuple[Row, ...] = (
    # Level 1
    ("gift", "", "{A} has {a} {x}. {B} gives {A} {b} more {x}. How many {x} does {A} have now?",
     "a=3..80 b=2..60", "r = a + b: {A} now has"),
    ("loss", "", "{A} has {a} {x} and loses {b} of them. How many {x} are left?",
     "r0=2..60 b=2..40 a=r0+b", "r = a - b: There are left"),
    ("compare", "compare", "{A} has {a} {x} and {B} has {b} {x}. How many more {x} does {A} have than {B}?",
     "r0=2..50 b=3..60 a=r0+b", "r = a - b: The difference is"),
    ("boxes", "groups", "{A} has {a} boxes with {b} {x} in each box. How many {x} does {A} have?",
     "a=2..12 b=3..25", "r = a * b: The boxes hold"),
    ("share", "share", "{A} shares {n} {x} equally among {b} friends. How many {x} does each friend get?",
     "q=2..25 b=2..9 n=q*b", "r = n / b: Each friend gets"),
    ("double", "times", "{A} has {a} {x}. {B} has twice as many. How many {x} does {B} have?",
     "a=4..90 k=2", "r = a * k: {B} has"),
    ("halve", "half", "{A} has {n} {x} and gives half of them to {B}. How many {x} does {B} get?",
     "q=4..70 k=2 n=q*k", "r = n / k: {B} gets"),
    ("discount", "percent", "{A} counts {n} {x}. {p} percent of them are red. How many {x} are red?",
     "p=10|20|25|50 d=100//p q=2..30 n=q*d", "r = n / d: The red ones are"),
    ("walk", "rate", "{A} walks {a} km every hour. How many km does {A} walk in {b} hours?",
     "a=3..12 b=2..9", "r = a * b: {A} walks"),
    # Level 2
    ("boxes_loss", "groups", "{A} has {a} boxes with {b} {x} each. {A} sells {c} {x}. How many {x} are left?",
     "a=2..9 b=4..20 c=2..30", "t = a * b: The boxes hold; r = t - c: There are left"),
    ("gift_twice", "", "{A} has {a} {x}. {B} gives {A} {b} and {C} gives {A} {c}. How many {x} does {A} have now?",
     "a=3..60 b=2..40 c=2..40", "t = a + b: With the first gift {A} has; r = t + c: {A} now has"),
    ("gift_loss", "", "{A} has {a} {x}, finds {b} more and then loses {c}. How many {x} does {A} have now?",
     "a=3..60 b=2..40 c=2..40", "t = a + b: After finding some {A} has; r = t - c: {A} now has"),
    ("double_sum", "times", "{A} has {a} {x}. {B} has twice as many. How many {x} do they have together?",
     "a=4..60 k=2", "t = a * k: {B} has; r = t + a: Together they have"),
    ("half_sum", "half", "{A} has {n} {x}. {B} has half as many. How many {x} do they have together?",
     "q=3..50 k=2 n=q*k", "t = n / k: {B} has; r = n + t: Together they have"),
    ("more_sum", "compare", "{A} has {a} {x}. {B} has {b} more {x} than {A}. How many {x} do they have together?",
     "a=3..60 b=2..40", "t = a + b: {B} has; r = a + t: Together they have"),
    ("pooled_share", "share", "{A} has {a} {x} and {B} has {b}. They put them into {c} equal bags."
     " How many {x} are in each bag?",
     "q=3..20 c=2..9 n=q*c a=2..80 b=n-a", "n = a + b: Together they have; r = n / c: Each bag holds"),
    ("change", "groups", "{A} buys {a} {x} for {b} dollars each and pays with {c} dollars. How many dollars come back?",
     "a=2..9 b=2..12 r0=1..40 c=a*b+r0", "t = a * b: The price is; r = c - t: The change is"),
    ("percent_left", "percent", "{A} has {n} {x} and sells {p} percent of them. How many {x} are left?",
     "p=10|20|25|50 d=100//p q=2..25 n=q*d", "t = n / d: {A} sells; r = n - t: There are left"),
    # Level 3
    ("two_crates", "groups", "{A} packs {a} boxes of {b} {x} and {c} boxes of {d} {x}. How many {x} are packed?",
     "a=2..9 b=3..12 c=2..9 d=3..12",
     "s = a * b: The first boxes hold; t = c * d: The other boxes hold; r = s + t: Packed in all are"),
    ("three_people", "compare", "{A} has {a} {x}. {B} has {b} more than {A}. {C} has {c} fewer than {B}."
     " How many {x} do {A} and {C} have together?",
     "a=5..50 b=3..30 c=2..30", "s = a + b: {B} has; t = s - c: {C} has; r = a + t: Together they have"),
    ("double_gift", "times", "{A} has {a} {x}. {B} has {k} times as many. {B} gives {c} to {C}."
     " How many {x} do {A} and {B} have together now?",
     "a=4..25 k=2|3|4 c=2..20",
     "s = a * k: {B} has; t = s - c: {B} keeps; r = a + t: Together they have"),
    ("half_chain", "half", "{A} has {n} {x}, gives half of them away, finds {b} and then loses {c}."
     " How many {x} does {A} have now?",
     "q=5..50 k=2 n=q*k b=2..40 c=2..40", "s = n / k: {A} keeps; t = s + b: Then {A} has; r = t - c: In the end {A} has"),
    ("market", "groups", "{A} buys {a} {x} at {b} dollars each and {c} {y} at {d} dollars each."
     " How many dollars does {A} pay?",
     "a=2..9 b=2..12 c=2..9 d=2..12",
     "s = a * b: The {x} cost; t = c * d: The {y} cost; r = s + t: {A} pays"),
    ("class_share", "share", "{A} has {a} {x} and buys {b} more. {c} of them break. The rest go to {k} children equally."
     " How many {x} does each child get?",
     "q=2..15 k=2..9 m=q*k c=2..20 n=m+c a=2..90 b=n-a",
     "n = a + b: {A} has; m = n - c: There remain; r = m / k: Each child gets"),
    ("average", "share", "{A} reads {a} pages on Monday, {b} on Tuesday and {c} on Friday."
     " How many pages is that a day on average?",
     "q=6..40 d=3 n=q*d a=2..60 b=2..50 c=n-a-b",
     "s = a + b: On the first two days {A} reads; t = s + c: In all {A} reads; r = t / d: The average is"),
    ("percent_more", "percent", "A shop has {n} {x}. It sells {p} percent of them and then gets {b} new ones."
     " How many {x} does it have now?",
     "p=10|20|25|50 d=100//p q=2..25 n=q*d b=3..50",
     "s = n / d: Sold are; t = n - s: There remain; r = t + b: The shop now has"),
    ("trip", "rate", "{A} rides {a} km an hour for {b} hours and then walks {c} km. The way is {d} km long."
     " How many km are left?",
     "a=5..20 b=2..6 c=2..12 r0=2..40 d=a*b+c+r0",
     "s = a * b: {A} rides; t = s + c: In all {A} has gone; r = d - t: There are left"),
    # Level 4
    ("party", "groups times", "{A} bakes {a} trays of {b} cookies. {B} bakes {k} times as many as {A}."
     " The guests eat {c} cookies. How many cookies are left?",
     "a=2..6 b=3..12 k=2|3 c=5..60",
     "s = a * b: {A} bakes; t = s * k: {B} bakes; u = s + t: Together they bake; r = u - c: There are left"),
    ("savings", "rate compare", "{A} saves {a} dollars a week for {b} weeks. {B} has {c} dollars more than {A} then."
     " Together they spend {d} dollars. How many dollars remain?",
     "a=3..12 b=2..9 c=3..30 d=5..60",
     "s = a * b: {A} saves; t = s + c: {B} has; u = s + t: Together they have; r = u - d: There remain"),
    ("fair_halves", "half", "{A} has {n} {x} and {B} has {m}. Each of them gives half to {C}, who had {c}."
     " How many {x} does {C} have now?",
     "q=3..30 k=2 n=q*k v=3..30 m=v*k c=2..40",
     "s = n / k: {A} gives; t = m / k: {B} gives; u = s + t: Both give; r = u + c: {C} now has"),
    ("shelves", "groups share", "A shop gets {a} crates of {b} {x}. {c} {x} are bad. The rest go on {d} shelves equally,"
     " and {B} buys {e} from the first shelf. How many {x} stay on the first shelf?",
     "q=6..20 d=2..6 a=2..8 b=4..20 c=a*b-q*d e=2..5",
     "s = a * b: The crates hold; t = s - c: Good ones are; u = t / d: A shelf gets; r = u - e: On the first shelf stay"),
    ("four_days", "", "{A} picks {a} {x} on Monday, {b} on Tuesday and {c} on Friday, gives away {d} and sells {e}."
     " How many {x} are left?",
     "a=5..50 b=5..40 c=5..40 d=2..20 e=2..40",
     "s = a + b: On two days {A} picks; t = s + c: In all {A} picks; u = t - d: Then there are;"
     " r = u - e: There are left"),
    ("tickets", "groups", "{a} adults pay {b} dollars each and {c} children pay {d} dollars each. The hall costs {e} dollars."
     " How many dollars remain?",
     "a=3..12 b=4..12 c=3..12 d=2..6 e=5..60",
     "s = a * b: The adults pay; t = c * d: The children pay; u = s + t: All pay; r = u - e: There remain"),
    ("percent_two", "percent", "{A} has {n} {x} and sells {p} percent of them for {b} dollars each."
     " {A} had {c} dollars and spends {e}. How many dollars does {A} have now?",
     "p=10|20|25|50 d=100//p q=2..9 n=q*d b=2..9 c=5..50 e=2..40",
     "s = n / d: {A} sells; t = s * b: That brings; u = t + c: Then {A} has; r = u - e: In the end {A} has"),
    ("ages", "compare times", "{A} is {a} years old. {B} is {b} years older. {C} is {k} times as old as {B}."
     " How old is {C} in {e} years, less the age of {A} now?",
     "a=3..15 b=2..12 k=2|3 e=2..9",
     "s = a + b: {B} is; t = s * k: {C} is; u = t + e: Later {C} is; r = u - a: Less the age of {A} it is"),
    ("garden", "groups", "{A} plants {a} rows of {b} flowers and {B} plants {c} rows of {d}. {e} flowers die."
     " How many flowers live?",
     "a=2..9 b=3..12 c=2..9 d=3..12 e=2..30",
     "s = a * b: {A} plants; t = c * d: {B} plants; u = s + t: Planted are; r = u - e: There live"),
    # Level 5
    ("bakery", "groups half", "{A} bakes {a} trays of {b} rolls and {c} trays of {d} rolls. Half of all rolls are sold in"
     " the morning and {e} later. How many rolls are left?",
     "a=2..8 b=2|4|6|8|10 c=2..8 d=2|4|6|8|10 k=2 e=2..30",
     "s = a * b: The first trays hold; t = c * d: The others hold; u = s + t: In all there are;"
     " v = u / k: In the morning remain; r = v - e: There are left"),
    ("relay", "compare", "{A} has {a} {x}. {B} has {b} more than {A}, {C} has {c} fewer than {B}. They put all together"
     " and give {e} away. How many {x} remain?",
     "a=5..40 b=3..30 c=2..30 e=5..50",
     "s = a + b: {B} has; t = s - c: {C} has; u = a + s: {A} and {B} have; v = u + t: All have; r = v - e: There remain"),
    ("workshop", "rate", "{A} makes {a} toys an hour for {b} hours, {B} makes {c} an hour for {d} hours. {e} toys break and"
     " {f} are sold. How many toys are left?",
     "a=3..12 b=2..8 c=3..12 d=2..8 e=2..20 f=3..40",
     "s = a * b: {A} makes; t = c * d: {B} makes; u = s + t: Together they make; v = u - e: Whole ones are;"
     " r = v - f: There are left"),
    ("farm", "times groups", "{A} has {a} pens with {b} hens. {B} has {k} times as many hens. {c} hens of {B} run away."
     " Then {A} and {B} join their hens and sell {e}. How many hens are left?",
     "a=2..6 b=3..9 k=2|3 c=2..20 e=3..40",
     "s = a * b: {A} has; t = s * k: {B} has; u = t - c: {B} keeps; v = s + u: Together they have; r = v - e: There are left"),
    ("library", "percent", "A shelf has {n} books. {p} percent are lent out. {b} come back, {c} new ones arrive and {e} are"
     " thrown away. How many books are on the shelf?",
     "p=10|20|25|50 d=100//p q=2..25 n=q*d b=2..20 c=3..40 e=2..20",
     "s = n / d: Lent out are; t = n - s: There remain; u = t + b: With those back there are; v = u + c: With new ones there are;"
     " r = v - e: On the shelf are"),
    ("prize", "share rate", "{A} earns {a} dollars a day for {b} days and {B} earns {c}. They spend {d} on food and share the"
     " rest among {k} people. How many dollars does each get, with {e} more as a gift?",
     "q=4..20 k=2..6 m=q*k a=3..12 b=2..8 d=2..30 n=m+d c=n-a*b e=2..20",
     "s = a * b: {A} earns; n = s + c: Together they earn; m = n - d: There remain; v = m / k: Each share is;"
     " r = v + e: With the gift each gets"),
    ("journey", "", "A bus has {a} people. At one stop {b} get on and {c} get off. At the next {d} get on and {e} get off."
     " Then {f} more get on. How many people are on the bus?",
     "a=10..50 b=2..25 c=2..25 d=2..25 e=2..25 f=2..20",
     "s = a + b: After getting on there are; t = s - c: After the first stop there are; u = t + d: Then there are;"
     " v = u - e: After the next stop there are; r = v + f: In the end there are"),
    ("halves_and_doubles", "half times", "{A} has {n} {x}. {B} has half as many and {C} has {k} times as many as {B}."
     " All together lose {c} and find {e}. How many {x} do {A} and {C} with this have?",
     "q=3..25 h=2 n=q*h k=2|3|4 c=2..30 e=2..30",
     "s = n / h: {B} has; t = s * k: {C} has; u = n + t: {A} and {C} have; v = u - c: After losing there are;"
     " r = v + e: In the end there are"),
    ("shop_day", "groups", "{A} sells {a} {x} for {b} dollars each and {c} {y} for {d} dollars each, pays {e} dollars of rent"
     " and gets {f} dollars as a gift. How many dollars does {A} have?",
     "a=2..9 b=2..12 c=2..9 d=2..12 e=3..50 f=2..40",
     "s = a * b: The {x} bring; t = c * d: The {y} bring; u = s + t: Together they bring; v = u - e: After the rent there are;"
     " r = v + f: In the end {A} has"),
)  # fmt: skip
"""Levels 1 to 5."""
