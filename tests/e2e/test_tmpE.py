from tests.e2e.test_models import *  # noqa
from emotion import services
from emotion.quadrants import Quadrant
from emotion.models import Reanalysis, ReanalysisItem
from tests.factories import EstimateFactory, WorkerFactory
from training.models import Retraining
del test_the_staff_promotes_and_rolls_back, test_a_listener_says_what_a_song_expresses_without_javascript

def test_shots(open_page, models, songs):
    UserFactory(username="edith", is_staff=True)
    al=UserFactory(username="al")
    for i,s in enumerate(songs[:9]):
        services.perceived_label_set(user=al, song=s, quadrant=Quadrant(1+i%3))
    WorkerFactory(name="gpu@here", model_version="shipped-1")
    promotion.model_promote(version="good-1", user=User.objects.get(username="edith"))
    job=Reanalysis.objects.latest("pk")
    its=list(job.items.all())
    for it in its[:11]:
        it.state="done"; it.save()
    its[12].state="failed"; its[12].failure_reason="There is no sound that a listener would hear."; its[12].save()
    Retraining.objects.create(state="done", is_active=False, recipe="refit", outcome="It made own-1-20261121, which passes the gate.", log="09:10:11 36 songs labelled here by 2 people: Happy 9, Tense 9, Sad 9, Calm 9.\n09:10:12 Data sets here: 4qaed, emomusic.\n09:10:40 epoch 1: loss 1.203\n")
    promotion.gate_check(version="bad-1")
    bad=ModelVersion.objects.get(version="bad-1")
    for w in (390,):
        for dark in ((False,True) if w==1280 else (False,)):
            with open_page(viewport={"width": w, "height": 900}, color_scheme="dark" if dark else "light") as page:
                sign_in(page,"edith")
                d="-dark" if dark else ""
                for name,url in (("models","/models/"),("detail",f"/models/{bad.pk}/"),("promote",f"/models/{bad.pk}/promote/"),("rollback","/models/rollback/"),("song",f"/songs/{songs[0].pk}/")):
                    page.goto(url)
                    page.wait_for_timeout(500)
                    page.screenshot(path=f"/tmp/shotsE/{name}-{w}{d}.png", full_page=True)
                    wide=page.evaluate("document.documentElement.scrollWidth")
                    print(name,w,wide)
