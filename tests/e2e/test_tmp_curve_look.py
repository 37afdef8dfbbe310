import numpy as np, pytest
from playwright.sync_api import Page
from emotion.models import EmotionCurve, AttentionMap
from emotion.selectors import served_version
from emotion.quadrants import Quadrant
pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]
def test_look(open_page, songs):
    song = songs[0]
    song.duration_s=212.0; song.save()
    e = song.estimates.get(); e.model_version = served_version(); e.save()
    pts = np.load('/tmp/p.npy')
    rng=np.random.default_rng(0)
    n=48
    pr=np.full((n,4),.08); k=np.repeat([3,1,0],16); pr[np.arange(n),k]=.76
    v=np.convolve(np.where(k==1,-.4,.5)+rng.normal(0,.1,n),np.ones(3)/3,'same'); a=np.convolve(np.where(k==3,-.5,.5)+rng.normal(0,.1,n),np.ones(3)/3,'same')
    c = EmotionCurve.objects.create(song=song, model_version=e.model_version, hop_s=4, window_s=24, state='done', points_bytes=np.column_stack([v,a,pr]).astype('<f4').tobytes())
    AttentionMap.objects.create(song=song, model_version=e.model_version, state='done', quadrant=1, n_rows=8, window_start_s=3, window_s=24, heat_bytes=rng.random((8,11)).astype('<f4').tobytes(), weighed={"seconds":[{"start":62,"end":69,"share":.3}],"bands_hz":[{"start":20,"end":394,"share":.5},{"start":1200,"end":2400,"share":.2}]})
    for w,dark in ((360,True),(1440,False)):
        with open_page(viewport={"width":w,"height":900}, color_scheme="dark" if dark else "light") as page:
            page.goto(f"/songs/{song.pk}/")
            page.locator('#attention img').first.scroll_into_view_if_needed()
            page.wait_for_timeout(800)
            page.locator('#emotion-curve').screenshot(path=f'/tmp/look_{w}.png')
            page.locator('#attention').screenshot(path=f'/tmp/looka_{w}.png')
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            page.locator('#emotion-curve summary').click()
            page.locator('#emotion-curve').screenshot(path=f'/tmp/lookt_{w}.png')
    EmotionCurve.objects.all().delete(); AttentionMap.objects.all().delete()
    with open_page() as page:
        page.goto(f"/songs/{song.pk}/")
        page.get_by_text("The model will listen to the whole song").wait_for()
        c.pk=None; c.save(force_insert=True)
        page.get_by_text("Starts calm").first.wait_for(timeout=15000)
        page.get_by_role("button", name="Show what weighed").click()
        page.get_by_text("The model looks at it once more").wait_for(timeout=5000)
        assert AttentionMap.objects.count()==1
        r=AttentionMap.objects.get()
        AttentionMap.objects.update(state='done', quadrant=1, n_rows=8, window_s=24, heat_bytes=rng.random((8,11)).astype('<f4').tobytes(), weighed={"seconds":[{"start":62,"end":69,"share":.3}]})
        page.get_by_text("What weighed most").first.wait_for(timeout=15000)
