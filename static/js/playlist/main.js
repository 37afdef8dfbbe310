/* What a list of songs needs besides the player: its order, and how much of it was played. */

import "./progress.js";
import "./reorder.js";
