/* What lists and pages of songs need besides the player: putting a list in order, counting
 * what was heard, and pictures that may not come. */

import "./reorder.js";
import "./progress.js";
import "../shared/broken_images.js";
